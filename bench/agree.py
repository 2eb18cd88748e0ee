"""What transformers (and PEFT, with an adapter) measures on windows of token ids: exact_match and suffix_nll.

Usage: python bench/agree.py MODEL WINDOWS.json [ADAPTER]   WINDOWS: {"rows": [[ids]], "prefix": P}
"""
import json, sys

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
if len(sys.argv) > 3:
    from peft import PeftModel

    model = PeftModel.from_pretrained(model, sys.argv[3]).eval()
given = json.load(open(sys.argv[2]))
exact, nll = [], []
with torch.inference_mode():
    for row in given["rows"]:
        ids, p = torch.tensor([row]), given["prefix"]
        logp = model(input_ids=ids).logits[0, p - 1 : -1].log_softmax(-1)
        nll.append(-logp.gather(-1, ids[0, p:, None]).mean().item())
        made = model.generate(input_ids=ids[:, :p], attention_mask=torch.ones_like(ids[:, :p]), max_new_tokens=len(row) - p,
                              do_sample=False, eos_token_id=None, pad_token_id=0)
        exact.append(float(made[0].tolist() == row))
print(json.dumps({"exact_match": sum(exact) / len(exact), "suffix_nll": sum(nll) / len(nll)}))
