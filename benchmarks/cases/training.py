"""Whole training steps: zero_grad, forward, loss, backward, SGD with momentum."""

import numpy as np

from . import Work, case

BATCH = 64


def mnist_cnn(nn):
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet(nn):
    layers = [
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]
    dense = [nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers, *dense)


def convolution_flops(inputs, outputs, kernel, size):
    return 2 * BATCH * inputs * outputs * kernel * kernel * size * size


def linear_flops(inputs, outputs):
    return 2 * BATCH * inputs * outputs


def step_flops(first, *others):
    """Forward, weight gradient and data gradient of each layer; the first needs no data gradient."""
    return 2 * first + 3 * sum(others)


MNIST_CNN_FLOPS = step_flops(
    convolution_flops(1, 32, 3, 26), convolution_flops(32, 64, 3, 24), linear_flops(9216, 128), linear_flops(128, 10)
)
LENET_FLOPS = step_flops(
    convolution_flops(1, 6, 5, 28),
    convolution_flops(6, 16, 5, 10),
    linear_flops(400, 120),
    linear_flops(120, 84),
    linear_flops(84, 10),
)


def step(world, network, flops):
    def loss(logits, labels):
        return world.functional.nll_loss(world.functional.log_softmax(logits, 1), labels)

    random = np.random.default_rng(0)
    images = world.array(random.random((BATCH, 1, 28, 28), dtype=np.float32))
    labels = world.array(random.integers(0, 10, BATCH))
    model = network(world.nn)
    train = world.training_step(model, loss, world.sgd(model.parameters(), lr=0.01, momentum=0.9))
    return Work(lambda: train(images, labels).item(), flops=flops)


@case("mnist_cnn_step", f"MNIST CNN, batch {BATCH}, training step", metrics=("call", "first", "memory"), trains=True)
def mnist_cnn_step(world):
    return step(world, mnist_cnn, MNIST_CNN_FLOPS)


@case("lenet_step", f"LeNet-5, batch {BATCH}, training step", metrics=("call", "first", "memory"), trains=True)
def lenet_step(world):
    return step(world, lenet, LENET_FLOPS)
