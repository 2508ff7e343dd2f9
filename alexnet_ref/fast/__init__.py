"""The documented networks faster than their own listing: the same functions of the same weights, restructured.

`build_model(..., implementation="fast")` puts these layers in the documented ones' places; `build.fast_layers` chooses them.
Each class bears the name of the Keras class that it stands for, because Keras files weights under the names of classes. What each
part gains, and what was tried and dropped: docs/performance_training.md. Importing this imports no framework; of the modules
beside it, all but `folding` import TensorFlow.
"""
