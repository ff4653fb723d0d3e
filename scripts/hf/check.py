"""Holds our Hugging Face layout against transformers: what each side writes, the other loads and computes alike.

    check.py PROGRAM FOLDER

PROGRAM is the example hugging_face of crates/transformer, FOLDER an empty one to work in. Ours to theirs: tokens,
logits (within 1e-4) and greedy text, for both kinds of tokenizer, and no parameter missing or unknown. Theirs to
ours: tiny models of random numbers. Ends with `N passed, N failed`.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
)
from transformers.utils import logging

TOLERANCE = 1e-4
# The example's: see PROMPTS and GREEDY there.
PROMPTS = ["", "use transformer::{", "// a comment, 'twas — café 月"]
NEW_TOKENS = 24
# Tokens that our generation never chooses, and the one that ends a text.
NEVER, END = [0, 1, 3], 2


def ours(program, *arguments):
    """What the example prints."""
    done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def furthest(model, row):
    """Largest difference between our logits of a prompt and theirs."""
    with torch.no_grad():
        logits = model(torch.tensor([row["tokens"]])).logits[0]
    return (logits - torch.tensor(row["logits"])).abs().max().item()


def greedy(model, tokens, **settings):
    """What transformers writes after a prompt, without the end of text."""
    prompt = torch.tensor([tokens])
    with torch.no_grad():
        written = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=NEW_TOKENS, **settings
        )
    written = written[0, len(tokens) :].tolist()
    return written[: written.index(END)] if END in written else written


def exported(program, folder, kind):
    """Ours to theirs."""
    rows = ours(program, "export", kind, folder)
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model.eval()
    for key in ["missing_keys", "unexpected_keys", "mismatched_keys"]:
        yield f"{kind}: no {key}", not info[key], info[key]
    for text, row in zip(PROMPTS, rows, strict=True):
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        yield f"{kind}: tokens of {text!r}", tokens == row["tokens"][1:], (tokens, row["tokens"])
        known = tokenizer.decode(row["tokens"], skip_special_tokens=True)
        yield f"{kind}: text of {text!r}", known == text or kind == "characters", known
        difference = furthest(model, row)
        yield f"{kind}: logits of {text!r}, furthest {difference:.1e}", difference <= TOLERANCE, difference
        # The folder's own generation settings: nothing is passed that it should say.
        written = greedy(model, row["tokens"])
        yield f"{kind}: greedy text after {text!r}", written == row["greedy"], (written, row["greedy"])


def imported(program, folder, name, model):
    """Theirs to ours."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            # Gains and biases other than 1 and 0, and logits of some size.
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    model.eval()
    model.save_pretrained(folder)
    vocabulary = model.config.vocab_size
    prompts = [[(i * i * 7 + i * 3 + 5) % vocabulary for i in range(n)] for n in (1, 9, 30)]
    (folder / "prompts.json").write_text(json.dumps(prompts))
    for row in ours(program, "import", folder):
        n = len(row["tokens"])
        difference = furthest(model, row)
        yield f"{name}: logits of {n} tokens, furthest {difference:.1e}", difference <= TOLERANCE, difference
        written = greedy(model, row["tokens"], suppress_tokens=NEVER, eos_token_id=END, pad_token_id=0)
        yield f"{name}: greedy text after {n} tokens", written == row["greedy"], (written, row["greedy"])


def models():
    """Small models of every form that is read."""
    sizes = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": END}
    gpt2 = GPT2Config(n_positions=64, n_embd=48, n_layer=2, n_head=4, **sizes)
    yield "gpt2", GPT2LMHeadModel(gpt2)
    wide = GPT2Config(n_positions=64, n_embd=32, n_layer=1, n_head=2, n_inner=40, **sizes)
    yield "gpt2, n_inner", GPT2LMHeadModel(wide)


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    passed = failed = 0
    checks = [exported(program, folder / f"ours-{kind}", kind) for kind in ("bytes", "characters")]
    for number, (name, model) in enumerate(models()):
        target = folder / f"theirs-{number}"
        target.mkdir()
        checks.append(imported(program, target, name, model))
    for check in checks:
        for what, holds, got in check:
            print("ok    " if holds else "FAILED", what, *([] if holds else [f": {got}"]))
            passed, failed = passed + bool(holds), failed + (not holds)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
