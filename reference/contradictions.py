"""Where the documents contradict themselves, their code or the facts: each place, what it says, and what is built instead.

`tests/test_contradictions.py` decides every one of them by computation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """One statement that cannot be taken at its word."""

    id: str
    architecture: str
    quotes: tuple[str, ...]  # the document's own characters, the contradicted statement first
    finding: str  # why it cannot stand
    decision: str  # what this project builds


CONTRADICTIONS: tuple[Contradiction, ...] = (
    Contradiction(
        id="input_28_or_32",
        architecture="keras_sequential",
        quotes=(
            "The third axis is expanded and repeated 3 times to make image sizes 28 x 28 x 3.",
            "x_train = tf.pad(x_train, [[0, 0], [2,2], [2,2]])/255",
        ),
        finding="The listing pads two pixels on each side before it repeats the axis: images are 32×32×3.",
        decision="The input is 32×32×3, as the listing makes it.",
    ),
    Contradiction(
        id="listing_without_lrn",
        architecture="keras_sequential",
        quotes=(
            "model.add(layers.Conv2D(96, 11, strides=4, padding='same'))",
            "lambda (Lambda) (None, 56, 56, 96) 0",
            "activation (Activation) (None, 56, 56, 96) 0",
        ),
        finding="The listing goes from the first two convolutions straight to pooling; the summary has an LRN and a ReLU after each.",
        decision="The summary's 21 rows are built; the Lambda is TensorFlow's LRN with its defaults, for no others are stated.",
    ),
    Contradiction(
        id="divided_by_sum_of_squares",
        architecture="keras_sequential",
        quotes=(
            "Each activation is divided by the sum of the squares of neighboring channels’ activations in the same pixel location.",
        ),
        finding="Divided by the sum itself, doubling all activations would halve the result, and dark pixels would divide by zero.",
        decision="Divided by (bias + alpha·sum)^beta, as TensorFlow's operation and the original paper do.",
    ),
    Contradiction(
        id="lrn_before_relu",
        architecture="keras_sequential",
        quotes=(
            "Unlike sigmoid and tanh activations, ReLU has an unbounded response in the positive edge.",
            "lambda (Lambda) (None, 56, 56, 96) 0",
            "activation (Activation) (None, 56, 56, 96) 0",
        ),
        finding="LRN is said to tame what ReLU lets grow, but the summary normalises before ReLU; the two orders differ.",
        decision="The summary's order: convolution, LRN, ReLU.",
    ),
    Contradiction(
        id="divided_by_dropout_probability",
        architecture="keras_sequential",
        quotes=(
            "the remaining activations are divided by dropout probability (in this case divided by 0.5 or simply multiplied by 2)",
        ),
        finding="The mean is kept by dividing by the probability to keep, 1 − rate; at 0.5 alone the two are the same.",
        decision="Kept values are divided by 1 − rate.",
    ),
    Contradiction(
        id="layers_for_filters",
        architecture="keras_sequential",
        quotes=("The layers consist of 96 filters with the sizes of 11 x 11, 256 layers with the sizes of 5 x 5",),
        finding="There is one layer of 256 filters, not 256 layers: the summary counts 614,656 parameters in it.",
        decision="256 filters of 5×5; likewise 384 and 384 filters of 3×3.",
    ),
    Contradiction(
        id="validation_above_98",
        architecture="keras_sequential",
        quotes=("fluctuates above 98% throughout the training", "val_accuracy: 0.9665"),
        finding="The first epoch's published validation accuracy is 96.65 %.",
        decision="The published figures are kept as figures, not the sentence.",
    ),
    Contradiction(
        id="dropout_is_keep_probability",
        architecture="tf1_graph",
        quotes=("dropout = 0.8 # Dropout, probability to keep units",),
        finding="The variable called dropout is the probability to keep: 20 % are dropped, not 80 %.",
        decision="Dropout.keeping(keep_prob=0.8), which is rate 0.2.",
    ),
    Contradiction(
        id="lsize_is_radius",
        architecture="tf1_graph",
        quotes=(
            "def norm(name, l_input, lsize=4):",
            "tf.nn.lrn(l_input, lsize, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name=name)",
        ),
        finding="What is called lsize is passed as depth_radius: the window has 9 channels, as the 9 that divides alpha confirms.",
        decision="depth_radius 4, window 9, alpha 0.001/9: in Caffe's words size 9, alpha 0.001.",
    ),
    Contradiction(
        id="iterations_are_samples",
        architecture="tf1_graph",
        quotes=("training_iters = 300000", "while step * batch_size < training_iters:"),
        finding="The loop counts samples: it ends after 4,687 steps of 64, which are 299,968 samples.",
        decision="300,000 is a number of samples; 4,687 steps are made.",
    ),
    Contradiction(
        id="reshape_conv3",
        architecture="tf1_graph",
        quotes=("# Reshape conv3 output to fit dense layer input", "dense1 = tf.reshape(norm3, "),
        finding="What is reshaped is norm3 after pooling, LRN and dropout (4·4·256), not conv3 (7·7·256).",
        decision="Flatten follows drop3.",
    ),
    Contradiction(
        id="two_scalings_of_255",
        architecture="tf1_graph",
        quotes=('mnist = input_data.read_data_sets("/tmp/data/", one_hot=True)',),
        finding="read_data_sets multiplies by the rounded 1/255 where keras_sequential divides by 255: 126 of 256 grey levels differ "
        "in their last bit.",
        decision="Each document's pipeline does what its document does.",
    ),
)
