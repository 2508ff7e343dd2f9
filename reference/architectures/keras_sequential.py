"""*AlexNet with TensorFlow*: Keras Sequential on MNIST enlarged to 224.

The printed summary is the authority: the listing lost the Lambda lines and the first two Activation lines.
"""

from reference.layers import (
    LRN,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Recipe,
    ReLU,
    Resize,
)

KERAS_SEQUENTIAL = Architecture(
    name="keras_sequential",
    title="AlexNet with TensorFlow",
    input_shape=(32, 32, 3),
    layers=(
        Resize(
            name="resizing",
            height=224,
            width=224,
            place="summary row 1",
            quotes=(
                "resizing (Resizing) (None, 224, 224, 3) 0",
                'layers.experimental.preprocessing.Resizing(224, 224, interpolation="bilinear"',
            ),
        ),
        Conv(
            name="conv2d",
            filters=96,
            kernel_size=(11, 11),
            strides=(4, 4),
            padding="SAME",
            place="summary row 2",
            quotes=(
                "conv2d (Conv2D) (None, 56, 56, 96) 34944",
                "layers.Conv2D(96, 11, strides=4, padding='same')",
            ),
        ),
        # The line that made the Lambda is lost: nothing but TensorFlow's defaults can be assumed of it.
        LRN(
            name="lambda",
            depth_radius=5,
            bias=1.0,
            alpha=1.0,
            beta=0.5,
            place="summary row 3",
            quotes=("lambda (Lambda) (None, 56, 56, 96) 0",),
        ),
        ReLU(name="activation", place="summary row 4", quotes=("activation (Activation) (None, 56, 56, 96) 0",)),
        MaxPool(
            name="max_pooling2d",
            pool_size=(3, 3),
            strides=(2, 2),
            padding="VALID",
            place="summary row 5",
            quotes=("max_pooling2d (MaxPooling2D) (None, 27, 27, 96) 0", "layers.MaxPooling2D(3, strides=2)"),
        ),
        Conv(
            name="conv2d_1",
            filters=256,
            kernel_size=(5, 5),
            strides=(4, 4),
            padding="SAME",
            place="summary row 6",
            quotes=(
                "conv2d_1 (Conv2D) (None, 7, 7, 256) 614656",
                "layers.Conv2D(256, 5, strides=4, padding='same')",
            ),
        ),
        LRN(
            name="lambda_1",
            depth_radius=5,
            bias=1.0,
            alpha=1.0,
            beta=0.5,
            place="summary row 7",
            quotes=("lambda_1 (Lambda) (None, 7, 7, 256) 0",),
        ),
        ReLU(name="activation_1", place="summary row 8", quotes=("activation_1 (Activation) (None, 7, 7, 256) 0",)),
        MaxPool(
            name="max_pooling2d_1",
            pool_size=(3, 3),
            strides=(2, 2),
            padding="VALID",
            place="summary row 9",
            quotes=("max_pooling2d_1 (MaxPooling2 (None, 3, 3, 256) 0", "layers.MaxPooling2D(3, strides=2)"),
        ),
        Conv(
            name="conv2d_2",
            filters=384,
            kernel_size=(3, 3),
            strides=(4, 4),
            padding="SAME",
            place="summary row 10",
            quotes=(
                "conv2d_2 (Conv2D) (None, 1, 1, 384) 885120",
                "layers.Conv2D(384, 3, strides=4, padding='same')",
            ),
        ),
        ReLU(
            name="activation_2",
            place="summary row 11",
            quotes=("activation_2 (Activation) (None, 1, 1, 384) 0", "layers.Activation('relu')"),
        ),
        Conv(
            name="conv2d_3",
            filters=384,
            kernel_size=(3, 3),
            strides=(4, 4),
            padding="SAME",
            place="summary row 12",
            quotes=(
                "conv2d_3 (Conv2D) (None, 1, 1, 384) 1327488",
                "layers.Conv2D(384, 3, strides=4, padding='same')",
            ),
        ),
        ReLU(
            name="activation_3",
            place="summary row 13",
            quotes=("activation_3 (Activation) (None, 1, 1, 384) 0", "layers.Activation('relu')"),
        ),
        Conv(
            name="conv2d_4",
            filters=256,
            kernel_size=(3, 3),
            strides=(4, 4),
            padding="SAME",
            place="summary row 14",
            quotes=(
                "conv2d_4 (Conv2D) (None, 1, 1, 256) 884992",
                "layers.Conv2D(256, 3, strides=4, padding='same')",
            ),
        ),
        ReLU(
            name="activation_4",
            place="summary row 15",
            quotes=("activation_4 (Activation) (None, 1, 1, 256) 0", "layers.Activation('relu')"),
        ),
        Flatten(name="flatten", place="summary row 16", quotes=("flatten (Flatten) (None, 256) 0",)),
        Dense(
            name="dense",
            units=4096,
            activation="relu",
            place="summary row 17",
            quotes=("dense (Dense) (None, 4096) 1052672", "layers.Dense(4096, activation='relu')"),
        ),
        Dropout(
            name="dropout",
            rate=0.5,
            place="summary row 18",
            quotes=("dropout (Dropout) (None, 4096) 0", "layers.Dropout(0.5)"),
        ),
        Dense(
            name="dense_1",
            units=4096,
            activation="relu",
            place="summary row 19",
            quotes=("dense_1 (Dense) (None, 4096) 16781312", "layers.Dense(4096, activation='relu')"),
        ),
        Dropout(
            name="dropout_1",
            rate=0.5,
            place="summary row 20",
            quotes=("dropout_1 (Dropout) (None, 4096) 0", "layers.Dropout(0.5)"),
        ),
        Dense(
            name="dense_2",
            units=10,
            activation="softmax",
            place="summary row 21",
            quotes=("dense_2 (Dense) (None, 10) 40970", "layers.Dense(10, activation='softmax')"),
        ),
    ),
    # Keras's defaults where the document is silent: Glorot-uniform kernels, zero biases, Adam at 0.001.
    recipe=Recipe(
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        loss="sparse_categorical_crossentropy",
        learning_rate=0.001,
        batch_size=64,
        epsilon=1e-7,  # keras.optimizers.Adam(epsilon=1e-7), its default
    ),
)
