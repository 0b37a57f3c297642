"""Noises inside a model: functions from ONNX model to ONNX model, which leave theirs unchanged.

Needs the extra ``evaluate``, as nothing else of this package does.
"""
