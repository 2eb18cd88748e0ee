"""Goldens of the tasks, from lm-evaluation-harness on the tests' own tiny model and a few items of each shape.

Run:  node --import tsx -e 'import("./tests/tiny.ts").then((m) => m.tinyModel(process.argv[1]))' DIR
      python tests/golden/make_tasks.py DIR   (lm_eval 0.4.13, transformers 5, torch 2.15)
Each task holds its scores with their standard errors and the log-likelihood of every answer, in the order of the file.
"""
import json, pathlib, sys

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent.parent / "bench"))
from lm_eval.models.huggingface import HFLM
from tasks import run
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

CUES = {"choices": "\nAnswer:", "letters": "", "options": "", "words": ""}
folder = pathlib.Path(sys.argv[1])
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token="<s>", eos_token="</s>")
model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, device="cpu", dtype="float32")
scores, samples = run(lm, {name: {"path": str(HERE / "data" / "tasks" / f"{name}.jsonl"), "cue": cue} for name, cue in CUES.items()})


def likelihoods(sample):
    said = sample["filtered_resps"]
    return [float(said[0][0])] if len(sample["arguments"]) == 1 else [float(r[0]) for r in said]


out = {name: {"scores": scores[name], "likelihoods": [likelihoods(s) for s in sorted(samples[name], key=lambda s: s["doc_id"])]}
       for name in CUES}
(HERE / "data" / "tasks.json").write_text(json.dumps(out, indent=1) + "\n")
print(json.dumps(scores, indent=1))
