"""Kinds of layers and activations, by Keras's names, as the rules tell them apart."""

from typing import Final

RELU_FAMILY: Final = ("relu", "relu6", "leaky_relu", "prelu")
"""Half of what comes in is cut off or scaled down: the family that He's initialiser is made for."""

SATURATING: Final = ("sigmoid", "tanh", "hard_sigmoid", "softsign", "hard_tanh")
"""Flat on both sides."""

DENSE: Final = ("Dense", "EinsumDense")
CONVOLUTIONS: Final = (
    *("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    *("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D"),
)
WEIGHTED: Final = (*DENSE, *CONVOLUTIONS)
"""A matrix product or a convolution: what an initialiser scales."""

RECURRENT: Final = ("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
GATED: Final = ("LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "LSTMCell", "GRUCell")

NORMS: Final = (
    "BatchNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "RMSNormalization",
    "UnitNormalization",
)

LINEAR: Final = (
    *("Dropout", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity", "Masking"),
    *("Reshape", "Flatten", "Permute", "RepeatVector", "InputLayer"),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
    *("Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D", "UpSampling2D", "UpSampling3D"),
)
"""What hands its input on as it is, or nearly: for scale and for linearity it is not there."""

POOLING: Final = tuple(
    f"{scope}{kind}Pooling{n}D"
    for scope in ("", "Global")
    for kind in ("Max", "Average")
    for n in (1, 2, 3)
)

ACTIVATIONS: Final = (
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"),
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Tanh", "Sigmoid"),
    *("HardSigmoid", "HardSilu", "HardTanh", "LogSigmoid", "LogSoftmax", "Softplus", "Softsign"),
)
"""Layers, and operations of `keras.ops`, that are an activation and nothing else."""

READIES_INPUTS: Final = (
    *("Embedding", "Normalization", "Rescaling", "StringLookup", "IntegerLookup", "Hashing"),
    *("TextVectorization", "Discretization", "CategoryEncoding", "HashedCrossing", *NORMS),
)
"""What takes an input as it comes."""

COMPARES: Final = ("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual")
"""Operations that only ask something of a number, such as the mask of `mask_zero=True` does."""
