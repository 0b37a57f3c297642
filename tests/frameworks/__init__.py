"""The examples of docs/predictors.md, in an environment with the frameworks."""
