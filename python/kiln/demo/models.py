"""The networks, for any library with torch's words. Imports nothing, so that PyTorch's process holds no Kiln."""


def cnn(nn):
    """Two convolutions, pooling, two dense layers: 1.2 million weights, for 28x28 images."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def lenet(nn):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling: 62 thousand weights, for 28x28 images."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def small(nn):
    """Two convolutions and two dense layers: 38 thousand weights, for 8x8 images."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


MODELS = {"cnn": cnn, "lenet": lenet, "small": small}
IMAGE_SIZE = {"cnn": 28, "lenet": 28, "small": 8}
