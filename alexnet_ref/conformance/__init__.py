"""The checks as a pytest suite: `pytest --pyargs alexnet_ref.conformance --candidate my_port.onnx --architecture tf1_graph`."""
