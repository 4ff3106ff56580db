"""Trains a network on handwritten digits and exports it: prediction and a whole training step, as m.kiln and m.onnx.

python train.py FOLDER [--steps N]

Also writes what the others need to be compared: images and labels as raw numbers (.f32, .i64), the module's predictions, and the module's
weights and momenta after ten more training steps.
"""

import argparse
from pathlib import Path

import kiln as kn
from kiln import nn
from kiln.data import batches, digits, mnist
from kiln.data.mnist import find
from kiln.demo.models import cnn, small

BATCH = 64  # images of a training step
PREDICTED = (1, 7, 64)  # images of a prediction
FURTHER_STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    folder, steps = given.folder, max(given.steps, 1)

    kn.manual_seed(0)
    if find():
        data, model = mnist(), cnn(nn)
    else:
        print("MNIST is not here (KILN_DATA names its folder): scikit-learn's 8x8 digits instead, and a network that fits them")
        data, model = digits(), small(nn)
    optimizer = kn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def predict(images):
        return nn.functional.log_softmax(model(images), axis=1)

    def train(images, labels):
        optimizer.zero_grad()
        loss = nn.functional.nll_loss(predict(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    # ---- training, as always; the last ten batches are kept for later ----------------------------------------------------
    stream = _endless(batches(data.train_images, data.train_labels, batch_size=BATCH, shuffle=True, drop_last=True))
    compiled = kn.jit(train)
    losses = [compiled(*next(stream)).item() for _ in range(steps)]
    further = [next(stream) for _ in range(FURTHER_STEPS)]
    test_images, test_labels = data.test_images[:1000], data.test_labels[:1000]
    with kn.no_grad():
        found = predict(kn.asarray(test_images)).numpy().argmax(1)
    print(
        f"{data.name}: {steps} training steps of {BATCH} images, loss {losses[0]:.3f} to {losses[-1]:.3f},"
        f" {(found == test_labels).mean():.1%} of {len(test_labels)} test images right"
    )

    # ---- the program: two entries over one state, for any number of images -----------------------------------------------
    images = kn.spec(("batch", *data.train_images.shape[1:]), kn.float32)
    labels = kn.spec(("batch",), kn.int64)
    program = kn.export({"predict": (predict, images), "train": (train, images, labels)})
    program.save(folder / "m.kiln")
    program.to_onnx(folder / "m.onnx", entry="predict")
    print(f"exported: {program!r}")

    # ---- what the others are held against: the module itself, not the program --------------------------------------------
    test_images[: max(PREDICTED)].tofile(folder / "predict.f32")
    for batch in PREDICTED:
        with kn.no_grad():
            predict(kn.asarray(test_images[:batch])).numpy().tofile(folder / f"module.{batch}.f32")
    for name, part in (("images.f32", 0), ("labels.i64", 1)):
        with open(folder / name, "wb") as file:
            for batch in further:
                file.write(batch[part].numpy().tobytes())
    with open(folder / "module.losses.f32", "wb") as file:
        for batch in further:
            file.write(train(*batch).detach().numpy().tobytes())
    trained = {f"model.{name}": p for name, p in model.named_parameters()}
    momenta = {
        f"{name}.momentum_buffer": optimizer.state[id(p)]["momentum_buffer"] for name, p in trained.items()
    }  # by the names that the program gives them
    kn.save(trained | momenta, folder / "module.npz")


def _endless(epochs):
    while True:
        yield from epochs


if __name__ == "__main__":
    main()
