"""Goldens of the tasks, from lm-evaluation-harness on the tests' own tiny model and a few items of each shape.

Run:  node --import tsx -e 'import("./tests/tiny.ts").then((m) => m.tinyModel(process.argv[1]))' DIR
      python tests/golden/make_tasks.py DIR   (lm_eval 0.4.13, transformers 5, torch 2.15)
Each task holds its scores with their standard errors and the log-likelihood of every answer, in the order of the file.
A standard error of a perplexity is left out: the harness draws it by bootstrap.
"""
import json, pathlib, sys
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent / "data"
choice = dict(output_type="multiple_choice", doc_to_choice="{{choices}}", doc_to_target="{{gold}}",
              metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}])
TASKS = {
    "choices": dict(choice, doc_to_text="{{query}}\nAnswer:"),
    "letters": dict(choice, doc_to_text="{{query}}", target_delimiter=""),
    "options": dict(output_type="multiple_choice", doc_to_text="{{gold}}", doc_to_choice="{{context_options}}",
                    doc_to_target="{{continuation}}", metric_list=[{"metric": "acc"}]),
    "words": dict(output_type="loglikelihood", doc_to_text="{{context}}", doc_to_target=" {{continuation}}",
                  metric_list=[{"metric": "acc"}, {"metric": "perplexity"}]),
}
folder = pathlib.Path(sys.argv[1])
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token="<s>", eos_token="</s>")
model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, device="cpu", dtype="float32")
configs = [dict(config, task=name, dataset_path="json", dataset_kwargs={"data_files": str(HERE / "tasks" / f"{name}.jsonl")},
                test_split="train") for name, config in TASKS.items()]
done = simple_evaluate(lm, tasks=configs, num_fewshot=0, bootstrap_iters=10, log_samples=True)
out = {}
for name in TASKS:
    scores = {k.split(",")[0]: v for k, v in done["results"][name].items()
              if isinstance(v, float) and not k.startswith("perplexity_stderr")}
    samples = sorted(done["samples"][name], key=lambda s: s["doc_id"])
    out[name] = {"scores": scores, "likelihoods": [[float(r[0]) for r in s["filtered_resps"]] if name != "words"
                                                    else [float(s["filtered_resps"][0][0])] for s in samples]}
(HERE / "tasks.json").write_text(json.dumps(out, indent=1) + "\n")
print(json.dumps({k: v["scores"] for k, v in out.items()}, indent=1))
