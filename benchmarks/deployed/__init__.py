"""How near the methods come to the libraries that they stand for: ``make deployed``.

The libraries of the field are installed in an environment of their own. Each of their decoders and
resizes is compared with every method of this project, and the stacks of ``imagenet-stacks`` with
the chains of calls that they stand for. The page is ``docs/deployed.md``.
"""
