"""The peer: transformers + torch on the same model directory, 2 threads. Prints one JSON line per task.

Usage: python bench/peer.py MODEL train-step|score|parity [FILE]
"""
import json, resource, sys, time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(2)
path, task = sys.argv[1:3]
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def rows(batch, tokens):  # the same ids as bench/speed.ts
    return torch.tensor([[(b * 977 + t * 131) % 40000 for t in range(tokens)] for b in range(batch)])


if task == "train-step":
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.98), weight_decay=0.0)
    ids = rows(16, 100)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(times[1:]), "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
elif task == "score":
    model.eval()
    ids = rows(64, 100)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.perf_counter()
            for i in range(0, 64, 16):
                part = ids[i : i + 16]
                logp = model(input_ids=part).logits[:, 49:-1].log_softmax(-1)
                logp.gather(-1, part[:, 50:, None]).squeeze(-1).mean(-1), logp.argmax(-1).eq(part[:, 50:]).float().mean(-1)
            times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(times[1:])}))
elif task == "parity":
    tokenizer = AutoTokenizer.from_pretrained(path)
    given = json.load(open(sys.argv[3]))
    model.eval()
    out = []
    with torch.inference_mode():
        for text in given["texts"]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"][:128]
            out.append(model(input_ids=torch.tensor([ids])).logits[0, -1].tolist())
    print(json.dumps({"ids": [tokenizer(s, add_special_tokens=False)["input_ids"] for s in given["strings"]], "logits": out}))
