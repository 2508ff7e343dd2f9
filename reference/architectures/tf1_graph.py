"""*AlexNet in TensorFlow*: a TensorFlow 1 graph and session on MNIST at 28×28."""

from reference.layers import LRN, Architecture, Conv, Dense, Dropout, Flatten, MaxPool, Recipe

# The listing's three helpers, which state what every block shares.
_CONV = "tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(l_input, w, strides=[1, 1, 1, 1],"
_POOL = "tf.nn.max_pool(l_input, ksize=[1, k, k, 1], strides=[1, k, k, 1],"
_NORM = "tf.nn.lrn(l_input, lsize, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name=name)"
_KEEP = "dropout = 0.8 # Dropout, probability to keep units"


def _conv(block: int, filters: int, *parameters: str) -> Conv:
    return Conv(
        name=f"conv{block}",
        filters=filters,
        kernel_size=(3, 3),
        strides=(1, 1),
        padding="SAME",
        activation="relu",
        place=f"alex_net, block {block}",
        quotes=(f"conv{block} = conv2d('conv{block}', ", _CONV, *parameters),
    )


def _pool(block: int) -> MaxPool:
    return MaxPool(
        name=f"pool{block}",
        pool_size=(2, 2),
        strides=(2, 2),
        padding="SAME",
        place=f"alex_net, block {block}",
        quotes=(f"pool{block} = max_pool('pool{block}', conv{block}, k=2)", _POOL),
    )


def _norm(block: int) -> LRN:
    return LRN(
        name=f"norm{block}",
        depth_radius=4,
        bias=1.0,
        alpha=0.001 / 9.0,
        beta=0.75,
        place=f"alex_net, block {block}",
        quotes=(f"norm{block} = norm('norm{block}', pool{block}, lsize=4)", _NORM),
    )


def _drop(block: int) -> Dropout:
    return Dropout.keeping(
        name=f"drop{block}",
        keep_prob=0.8,
        place=f"alex_net, block {block}",
        quotes=(f"norm{block} = tf.nn.dropout(norm{block}, _dropout)", _KEEP),
    )


TF1_GRAPH = Architecture(
    name="tf1_graph",
    title="AlexNet in TensorFlow",
    input_shape=(28, 28, 1),  # "_X = tf.reshape(_X, shape=[-1, 28, 28, 1])"
    fed_shape=(784,),  # "n_input = 784 # MNIST data input (img shape: 28*28)"
    layers=(
        _conv(1, 64, "'wc1': tf.Variable(tf.random_normal([3, 3, 1, 64]))", "'bc1': tf.Variable(tf.random_normal([64]))"),
        _pool(1),
        _norm(1),
        _drop(1),
        _conv(2, 128, "'wc2': tf.Variable(tf.random_normal([3, 3, 64, 128]))", "'bc2': tf.Variable(tf.random_normal([128]))"),
        _pool(2),
        _norm(2),
        _drop(2),
        _conv(3, 256, "'wc3': tf.Variable(tf.random_normal([3, 3, 128, 256]))", "'bc3': tf.Variable(tf.random_normal([256]))"),
        _pool(3),
        _norm(3),
        _drop(3),
        Flatten(
            name="flatten",
            place="alex_net, fully connected",
            quotes=("dense1 = tf.reshape(norm3, [-1, _weights['wd1'].get_shape().as_list()[0]])",),
        ),
        Dense(
            name="fc1",
            units=1024,
            activation="relu",
            place="alex_net, fully connected",
            quotes=(
                "tf.nn.relu(tf.matmul(dense1, _weights['wd1']) + _biases['bd1'], name='fc1')",
                "'wd1': tf.Variable(tf.random_normal([4*4*256, 1024]))",
                "'bd1': tf.Variable(tf.random_normal([1024]))",
            ),
        ),
        Dense(
            name="fc2",
            units=1024,
            activation="relu",
            place="alex_net, fully connected",
            quotes=(
                "tf.nn.relu(tf.matmul(dense1, _weights['wd2']) + _biases['bd2'], name='fc2')",
                "'wd2': tf.Variable(tf.random_normal([1024, 1024]))",
                "'bd2': tf.Variable(tf.random_normal([1024]))",
            ),
        ),
        Dense(
            name="out",
            units=10,
            place="alex_net, output",
            quotes=(
                "out = tf.matmul(dense2, _weights['out']) + _biases['out']",
                "'out': tf.Variable(tf.random_normal([1024, 10]))",
                "'out': tf.Variable(tf.random_normal([n_classes]))",
            ),
        ),
    ),
    recipe=Recipe(
        kernel_initializer="standard_normal",  # "tf.Variable(tf.random_normal(...))", weights and biases alike
        bias_initializer="standard_normal",
        loss="softmax_cross_entropy_with_logits",
        learning_rate=0.001,
        batch_size=64,
        epsilon=1e-8,  # tf.train.AdamOptimizer(epsilon=1e-08), TensorFlow 1's default; "tf.train.AdamOptimizer(learning_rate=…)"
    ),
)
