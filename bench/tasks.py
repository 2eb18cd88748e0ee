"""What lm-evaluation-harness scores on files of items of our shapes.

Usage: python bench/tasks.py MODEL FILES.json   FILES: {"task": {"path": FILE.jsonl, "cue": TEXT, "choices": [TEXT]}}
Prints one JSON line: the scores of each task, and the seconds that all of them took together.
"""
import json, pathlib, sys, time

from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM

CHOICE = dict(output_type="multiple_choice", metric_list=[{"metric": "acc"}, {"metric": "acc_norm"}])


def config(name, path, cue="", choices=None):
    """The harness's own words for a task: what our shapes leave unsaid, said there."""
    row = json.loads(pathlib.Path(path).read_text().splitlines()[0])
    own = dict(task=name, dataset_path="json", dataset_kwargs={"data_files": str(path)}, test_split="train")
    if "context_options" in row:
        return own | dict(output_type="multiple_choice", doc_to_text="{{gold}}", doc_to_choice="{{context_options}}",
                          doc_to_target="{{continuation}}", metric_list=[{"metric": "acc"}])
    text = row.get("query", row.get("context")) + cue
    delimiter = "" if text != text.rstrip() else " "
    if "choices" in row:
        return own | CHOICE | dict(doc_to_text="{{query}}" + cue, doc_to_choice="{{choices}}", doc_to_target="{{gold}}",
                                   target_delimiter=delimiter)
    if choices is not None:
        return own | CHOICE | dict(doc_to_text="{{context}}" + cue, doc_to_choice=choices, target_delimiter=delimiter,
                                   doc_to_target="{{" + json.dumps(choices) + ".index(continuation)}}")
    return own | dict(output_type="loglikelihood", doc_to_text="{{context}}" + cue, doc_to_target=delimiter + "{{continuation}}",
                      metric_list=[{"metric": "acc"}, {"metric": "perplexity"}])


def run(lm, files):
    """The scores by task, and the harness's samples."""
    configs = [config(name, **said) for name, said in files.items()]
    done = simple_evaluate(lm, tasks=configs, num_fewshot=0, bootstrap_iters=10, log_samples=True)
    scores = {name: {k.split(",")[0]: v for k, v in done["results"][name].items()
                     # a perplexity's standard error is drawn by bootstrap
                     if isinstance(v, float) and not k.startswith("perplexity_stderr")} for name in files}
    return scores, done["samples"]


if __name__ == "__main__":
    import torch

    torch.set_num_threads(2)
    lm = HFLM(pretrained=sys.argv[1], dtype="float32", device="cpu", batch_size=16)
    start = time.perf_counter()
    scores, _ = run(lm, json.loads(pathlib.Path(sys.argv[2]).read_text()))
    print(json.dumps({"scores": scores, "seconds": time.perf_counter() - start}))
