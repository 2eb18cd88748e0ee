"""Goldens of the models, from Hugging Face transformers on tiny random checkpoints.

Run: python tests/golden/make_models.py   (torch 2.15, transformers 5)
Sizes are as small as they can be while every branch is taken: 2 layers (4 for GPT-Neo, so that both kinds of attention
occur twice), grouped keys (4 heads, 2 key heads), a window of 5 that is shorter than the 12 tokens, tied and untied
heads, and Llama-3 rotary scaling whose three bands all occur at head size 8.
Each file holds the parameters, ids (2, 12), logits, loss, the gradient of every parameter, 32 greedy tokens from a
prefix of 6, and the same from a left-padded batch.
"""
import json, pathlib
import torch
from safetensors.torch import save_file
from transformers import GPTNeoConfig, GPTNeoForCausalLM, LlamaConfig, LlamaForCausalLM

OUT = pathlib.Path(__file__).parent / "data"
llama = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=96, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
CASES = {
    "llama": (LlamaForCausalLM, LlamaConfig(**llama, tie_word_embeddings=True, rms_norm_eps=1e-5)),
    "llama3_rope": (LlamaForCausalLM, LlamaConfig(**llama, tie_word_embeddings=False, rope_parameters={
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32})),
    "gpt_neo": (GPTNeoForCausalLM, GPTNeoConfig(hidden_size=32, num_layers=4, num_heads=4, vocab_size=96, window_size=5,
        attention_types=[[["global", "local"], 2]], max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
        resid_dropout=0.0, embed_dropout=0.0, attention_dropout=0.0)),
}


def greedy(model, ids, mask, count):
    """Argmax by argmax without a cache: the plainest definition."""
    for _ in range(count):
        position = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = model(input_ids=ids, attention_mask=mask, position_ids=position, use_cache=False).logits
        ids = torch.cat([ids, logits[:, -1].argmax(-1, keepdim=True)], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return ids[:, -count:]


for name, (cls, config) in CASES.items():
    torch.manual_seed(1234)
    config._attn_implementation = "eager"
    model = cls(config).float().eval()
    with torch.no_grad():
        for p in model.parameters():  # spread out, so that argmaxes are not ties and gradients not tiny
            p.add_(torch.randn_like(p) * 0.2)
    ids = torch.randint(3, 96, (2, 12))
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 96), ids[:, 1:].reshape(-1))
    loss.backward()
    out = {"param:" + n: p.detach() for n, p in model.named_parameters()}
    out |= {"grad:" + n: p.grad for n, p in model.named_parameters()}
    ones = torch.ones(2, 6, dtype=torch.long)
    padded, mask = ids[:, :6].clone(), ones.clone()
    padded[1, :3], mask[1, :3] = 0, 0  # row 1 keeps its last three tokens
    with torch.no_grad():
        out |= {"ids": ids, "logits": logits.detach(), "loss": loss.detach(),
                "greedy": greedy(model, ids[:, :6], ones, 32), "greedy_padded": greedy(model, padded, mask, 32)}
    meta = {"config": json.dumps(config.to_dict()), "torch": torch.__version__, "format": "1"}
    save_file({k: v.contiguous() for k, v in out.items()}, OUT / f"{name}.safetensors", metadata=meta)
    print(name, sum(p.numel() for p in model.parameters()), float(loss))
