"""Open Inference Protocol, version 2, over HTTP, as used by KServe, Triton and their clients.

https://github.com/kserve/open-inference-protocol, with Triton's extensions for binary tensors, classification, model
configuration and the index of the model repository:
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""
