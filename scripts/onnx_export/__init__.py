"""The networks as ONNX graphs: what each graph computes, and how it is written."""
