"""Goldens of erasing losses and selectors, written from their papers' formulas in PyTorch and run through transformers.

Run: python tests/golden/make_erasers.py   (after make_models.py; torch 2.15, transformers 5)
The model is the tiny Llama of data/llama.safetensors, in float64; theta_0 is the same with every matrix times .9, a rule that needs
no file. Rows: six prefixes of 6 random tokens, continued greedily by 6 (so that the suffix is recited), of which one token is
changed; eight rows of 12 random tokens stand for the model's own text. Every token behind the first carries the loss.
Stored: value of each loss and its gradient for the first query projection; for each selector the 2 % chosen of all linear weights
(flat, in the order of sorted names); for directions (of one group of rows, and of three) the basis of one input.
"""
import json, pathlib
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

DATA = pathlib.Path(__file__).parent / "data"
BETA, GAMMA, SMOOTHING, HINGE = 0.1, 10.0, 0.95, 1.0
SHARE, RANK, RIDGE = 0.02, 8, 0.01
WATCHED = "model.layers.0.self_attn.q_proj.weight"

with safe_open(DATA / "llama.safetensors", "pt") as f:
    config = LlamaConfig(**json.loads(f.metadata()["config"]))
    params = {k[6:]: f.get_tensor(k) for k in f.keys() if k.startswith("param:")}
config._attn_implementation = "eager"


def make(scale):
    model = LlamaForCausalLM(config).eval()
    state = {k: (v * scale if v.dim() == 2 else v) for k, v in params.items()}
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    return model.double()


model, before = make(1.0), make(0.9)
torch.manual_seed(7)
ids = torch.randint(3, 96, (6, 6))
with torch.no_grad():
    for _ in range(6):
        ids = torch.cat([ids, model(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
for row in range(6):
    ids[row, 6 + row] = (ids[row, 6 + row] + 1) % 96
own_text = torch.randint(3, 96, (8, 12))
y = ids[:, 1:]


def logits_of(m, x=ids):
    return m(input_ids=x).logits[:, :-1]  # row t predicts token t + 1


def token_logp(z, target):
    return z.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)


with torch.no_grad():
    z0 = logits_of(before)
n_rows = y.numel()
PI = torch.tensor([0.02 + 0.9 * ((7 * i) % 11) / 11 for i in range(n_rows)], dtype=torch.float64).view_as(y)
TAU = torch.tensor([1 + (i % 5) * 0.75 for i in range(n_rows)], dtype=torch.float64).view_as(y)
onehot = F.one_hot(y, 96).double()


def soft_ce(q, z):
    return -(q * z.log_softmax(-1)).sum(-1).mean()


def natural(z):
    others = (z0.masked_fill(onehot.bool(), float("-inf")) / TAU.unsqueeze(-1)).softmax(-1)
    q = (1 - PI.unsqueeze(-1)) * others + PI.unsqueeze(-1) * onehot
    return soft_ce(q, z) + HINGE * F.relu(token_logp(z, y) - PI.log()).mean()


LOSSES = {
    "ga": lambda z: token_logp(z, y).mean(),
    "em": lambda z: -torch.distributions.Categorical(logits=z).entropy().mean(),
    "npo": lambda z: -(2 / BETA) * F.logsigmoid(-BETA * (token_logp(z, y) - token_logp(z0, y)).sum(-1)).mean(),
    "simnpo": lambda z: -(2 / BETA) * F.logsigmoid(-(BETA * token_logp(z, y).mean(-1)) - GAMMA).mean(),
    "undial": lambda z: soft_ce((z0 - GAMMA * onehot).softmax(-1), z),
    "me": lambda z: F.kl_div(z.log_softmax(-1), torch.full_like(z, 1 / 96), reduction="none").sum(-1).mean(),
    "label_smoothing": lambda z: F.cross_entropy(z.flatten(0, 1), y.flatten(), label_smoothing=SMOOTHING),
    "ce_u": lambda z: soft_ce(z.detach().masked_fill(onehot.bool(), float("-inf")).softmax(-1), z),
    "wga": lambda z: (token_logp(z, y).exp().detach() ** BETA * token_logp(z, y)).mean(),
    "satimp": lambda z: ((p := token_logp(z, y).exp().detach()) ** BETA * (1 - p) ** GAMMA * token_logp(z, y)).mean(),
    "pdu": lambda z: (z.max(-1).values - z.mean(-1)).pow(2).mean(),
    "natural": natural,
    "kl": lambda z: F.kl_div(z.log_softmax(-1), z0.log_softmax(-1), log_target=True, reduction="none").sum(-1).mean(),
}
linears = sorted(n for n, p in model.named_parameters() if "_proj" in n)
named = dict(model.named_parameters())
out, names = {"ids": ids, "own": own_text, "pi": PI, "tau": TAU}, {}


def gradients(loss):
    model.zero_grad()
    loss.backward()
    return {n: named[n].grad.clone() for n in linears}


for name, of in LOSSES.items():
    loss = of(logits_of(model))
    out["loss:" + name] = loss.detach().reshape(1)
    out["grad:" + name] = gradients(loss)[WATCHED].float()

def block_output(m):
    return m(input_ids=ids, output_hidden_states=True).hidden_states[1][:, :-1]  # of the first block


with torch.no_grad():
    h0 = block_output(before)
steer = torch.linspace(0.1, 1, 32, dtype=torch.float64)
steer = 3 * steer / steer.norm()
out["steer"] = steer.reshape(1, 32)
for name, goal in {"rmu": steer, "anchor": h0}.items():
    loss = (block_output(model) - goal).pow(2).sum(-1).mean()
    out["loss:" + name] = loss.detach().reshape(1)
    model.zero_grad()
    loss.backward()
    out["grad:" + name] = named[WATCHED].grad.float().clone()

z = logits_of(model)
recited = (z.argmax(-1) == y) & (torch.arange(11) >= 5)  # suffix tokens that come first
assert 10 < recited.sum() < 36, recited.sum()
pick = lambda values: values[recited].mean()
entropy = lambda z: (z.softmax(-1) * z.log_softmax(-1)).sum(-1)
odds = lambda z: -(token_logp(z, y) - torch.log1p(-token_logp(z, y).exp()))
a = gradients(entropy(logits_of(model)).mean())
b = gradients(-token_logp(logits_of(model), y).mean())
s = gradients(-token_logp(logits_of(model, own_text), own_text[:, 1:]).mean())
ar = gradients(pick(entropy(logits_of(model))))
br = gradients(pick(-token_logp(logits_of(model), y)))
bo = gradients(pick(odds(logits_of(model))))
SCORES = {
    "contrastive": lambda n: -a[n] * b[n],
    "anti_aligned": lambda n: a[n] * b[n],
    "magnitude": lambda n: a[n].abs(),
    "sign_gated": lambda n: a[n].abs() * (a[n] * b[n] < 0),
    "difference": lambda n: (a[n] - b[n]).abs(),
    "ratio": lambda n: a[n].abs() / (b[n].abs() + 1e-12),
    "salun": lambda n: b[n].abs(),
    "wagle": lambda n: ((named[n].detach() - s[n] / 1e-6) * b[n]).abs(),
    "sure": lambda n: b[n].norm(dim=-1, keepdim=True).expand_as(b[n]),
    "downstream_importance": lambda n: b[n] ** 2 / (s[n] ** 2 + 1e-20),
    "contrastive_self": lambda n: -a[n] * b[n] / (s[n] ** 2 + (s[n] ** 2).mean() + 1e-20),
    "contrastive_recited": lambda n: -ar[n] * br[n],
    "contrastive_odds": lambda n: -ar[n] * bo[n],
}
for name, score in SCORES.items():
    flat = torch.cat([score(n).flatten() for n in linears])
    out["select:" + name] = flat.topk(round(SHARE * flat.numel())).indices.sort().values.int()
cosine = {n: F.cosine_similarity(b[n].flatten(), s[n].flatten(), dim=0) for n in linears}
ranked = sorted((n for n in linears if cosine[n] < 0.92), key=lambda n: -b[n].abs().mean())
names["memflex"] = ranked[:1]  # the first is larger than 2 % of all

inputs = {}
model.model.layers[1].mlp.gate_proj.register_forward_pre_hook(lambda _, x: inputs.update(x=x[0].detach()))


def moment(rows):
    model(input_ids=rows)
    x = inputs["x"].flatten(0, 1)
    return x.T @ x / len(x)


def whitening(quiet):
    return torch.linalg.inv(torch.linalg.cholesky(quiet + (RIDGE * quiet.diagonal().mean() + 1e-12) * torch.eye(32)))


def contrast(loud, quiet, rank):
    inverse = whitening(quiet)
    values, vectors = torch.linalg.eigh(inverse @ loud @ inverse.T)
    return inverse.T @ vectors.flip(1)[:, :rank] / values.flip(0)[:rank].sqrt()


forget, ordinary = moment(ids), moment(own_text)
out["directions"] = contrast(forget, ordinary, RANK).float()
groups = [moment(ids[2 * i : 2 * i + 2]) for i in range(3)]  # two texts each; 2, 3 and 3 of the eight directions
others = [ordinary + sum(m for j, m in enumerate(groups) if j != i) / 2 for i in range(3)]
out["directions-groups"] = torch.cat([contrast(groups[i], others[i], r) for i, r in enumerate((2, 3, 3))], 1).float()
inverse = whitening(ordinary)
g = a["model.layers.1.mlp.gate_proj.weight"]
_, _, right = torch.linalg.svd(g @ inverse.T)
basis = inverse.T @ right[:RANK].T
out["directions-gradient"] = (basis / basis.norm(dim=0)).float()

meta = {"torch": torch.__version__, "linears": json.dumps(linears), "names": json.dumps(names), "format": "1"}
save_file({k: v.contiguous() for k, v in out.items()}, DATA / "erasers.safetensors", metadata=meta)
print({k: round(float(v), 4) for k, v in out.items() if k.startswith("loss:")}, int(recited.sum()))
