"""PyTorch's side of `cargo xtask bench engine`: the same model in eager mode, f32, on the CPU.

    python torch_engine.py speed --dir DIR [--steps N] [--threads N]
    python torch_engine.py text --text FILE [--steps 2000] [--threads N]

`speed` trains on the files that our `engine_train files` wrote: `init.f32` (the flat vector in our layout), `batches.u32`
and `config.json`. `text` follows nanoGPT's character recipe. Each prints one JSON object.
The model is the usual one: fused AdamW, `scaled_dot_product_attention`, tanh GELU, head tied to the token embedding.
"""

import argparse
import json
import math
import os
import time

import numpy
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, width, wide, heads):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.attn_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, wide)
        self.mlp_proj = nn.Linear(wide, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).split(width, dim=2)
        q, k, v = (
            t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for t in (q, k, v)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(batch, length, width)
        x = x + self.attn_proj(y)
        hidden = functional.gelu(self.c_fc(self.ln_2(x)), approximate="tanh")
        return x + self.mlp_proj(hidden)


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["d_model"]
        self.wte = nn.Embedding(config["vocab_size"], width)
        self.wpe = nn.Embedding(config["context_length"], width)
        self.h = nn.ModuleList(
            Block(width, config["d_ff"], config["n_heads"]) for _ in range(config["n_layers"])
        )
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens, targets):
        positions = torch.arange(tokens.shape[1])
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        logits = functional.linear(self.ln_f(x), self.wte.weight)
        return functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))

    def load(self, flat):
        """Fills all parameters from our flat vector; matrices of projections are transposed."""
        at = 0

        def take(parameter, transpose=False):
            nonlocal at
            shape = tuple(parameter.shape)
            count = parameter.numel()
            values = torch.from_numpy(flat[at : at + count].copy())
            at += count
            values = values.view(shape[::-1]).t() if transpose else values.view(shape)
            parameter.data.copy_(values)

        take(self.wte.weight)
        take(self.wpe.weight)
        for block in self.h:
            for layer in (
                block.ln_1,
                block.c_attn,
                block.attn_proj,
                block.ln_2,
                block.c_fc,
                block.mlp_proj,
            ):
                take(layer.weight, isinstance(layer, nn.Linear))
                take(layer.bias)
        take(self.ln_f.weight)
        take(self.ln_f.bias)
        assert at == len(flat), f"{len(flat)} numbers, {at} taken"

    def initialise(self, layers):
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deviation = 0.02 / math.sqrt(2 * layers) if name.endswith("proj.weight") else 0.02
                nn.init.normal_(parameter, std=deviation)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


def optimiser(model, beta2):
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, beta2), fused=True)


def step(model, optimiser, tokens, targets):
    optimiser.zero_grad(set_to_none=True)
    loss = model(tokens, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


def peak_mib():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def speed(options):
    with open(os.path.join(options.dir, "config.json")) as file:
        config = json.load(file)
    model = Model(config)
    model.load(numpy.fromfile(os.path.join(options.dir, "init.f32"), dtype="<f4"))
    batches = numpy.fromfile(os.path.join(options.dir, "batches.u32"), dtype="<u4")
    batches = batches.reshape(-1, config["batch"], config["length"] + 1).astype(numpy.int64)
    adamw = optimiser(model, config["beta2"])
    losses, seconds = [], []
    for batch in batches[: options.steps]:
        clock = time.perf_counter()
        batch = torch.from_numpy(batch)
        losses.append(step(model, adamw, batch[:, :-1], batch[:, 1:]))
        seconds.append(time.perf_counter() - clock)
    return {
        "losses": losses,
        "seconds": seconds,
        "peak_mib": peak_mib(),
        "tokens": config["batch"] * config["length"],
        "torch": torch.__version__,
    }


def text(options):
    with open(options.text, encoding="utf-8") as file:
        content = file.read()
    alphabet = sorted(set(content))
    numbers = {character: number for number, character in enumerate(alphabet)}
    tokens = torch.tensor([numbers[character] for character in content])
    cut = len(tokens) // 10 * 9
    training, held_out = tokens[:cut], tokens[cut:]
    length, batch, warmup, rate = 64, 12, 100, 1e-3
    torch.manual_seed(1337)
    clock = time.perf_counter()
    config = {
        "vocab_size": len(alphabet),
        "context_length": length,
        "n_layers": 4,
        "n_heads": 4,
        "d_model": 128,
        "d_ff": 512,
    }
    model = Model(config)
    model.initialise(config["n_layers"])
    adamw = optimiser(model, 0.99)
    for number in range(options.steps):
        if number < warmup:
            now = rate * (number + 1) / warmup
        else:
            progress = (number - warmup) / max(1, options.steps - warmup)
            now = rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in adamw.param_groups:
            group["lr"] = now
        starts = torch.randint(len(training) - length, (batch,))
        inputs = torch.stack([training[start : start + length] for start in starts])
        targets = torch.stack([training[start + 1 : start + length + 1] for start in starts])
        step(model, adamw, inputs, targets)
    seconds = time.perf_counter() - clock
    windows = [
        held_out[start : start + length + 1]
        for start in range(0, len(held_out) - length, length)
    ]
    total = 0.0
    with torch.no_grad():
        for first in range(0, len(windows), 64):
            some = torch.stack(windows[first : first + 64])
            total += model(some[:, :-1], some[:, 1:]).item() * len(some)
    return {"loss": total / len(windows), "windows": len(windows), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["speed", "text"])
    parser.add_argument("--dir", default="run/bench-engine")
    parser.add_argument("--text")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps({"speed": speed, "text": text}[options.command](options)))


if __name__ == "__main__":
    main()
