"""Noises inside a model: functions that take an ONNX model and return a changed copy.

These modules need the extra ``evaluate``; no other module of ``transforms`` does.
"""
