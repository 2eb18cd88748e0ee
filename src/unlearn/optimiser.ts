/**
 * @file AdamW and SGD, plain or with momentum, over a writer's variables, one variable at a time, so that a gradient can be consumed as soon as the
 * backward pass yields it. Moments exist for the variables alone; weight decay is 0 (METHOD.md section 1).
 */
import {
  copy_,
  disposeAll,
  fusedAdamW_,
  keep,
  mulScalar,
  mulScalar_,
  noGrad,
  sub_,
  tidy,
  zeros,
  zerosLike,
  add_,
  type Tensor,
} from "../torch/index.ts";

/** subzero takes no gradients: see zeroth-order.ts. */
export type OptimiserName = "adamw" | "sgd" | "momentum" | "subzero";

export type Optimiser = {
  /** Moves a variable by one step against its gradient. */
  readonly step: (name: string, variable: Tensor, gradient: Tensor, lr: number) => void;
  /** Everything a resumed run needs, by name. */
  readonly state: () => Map<string, Tensor>;
  readonly load: (state: ReadonlyMap<string, Tensor>) => void;
  /** Forgets all moments. */
  readonly reset: () => void;
  readonly dispose: () => void;
};

type Options = {
  name?: OptimiserName;
  beta1?: number;
  beta2?: number;
  eps?: number;
  project?: ((name: string, step: Tensor) => Tensor) | undefined;
};

const MOMENTUM = 0.9;

/** Adam's (.9, .98) as in Jang et al. and the prototypes: gradients of few texts change quickly. */
export function optimiser({
  name = "adamw",
  beta1 = 0.9,
  beta2 = 0.98,
  eps = 1e-8,
  project,
}: Options = {}): Optimiser {
  const moments = new Map<string, { mean: Tensor; square: Tensor; steps: Tensor }>(); // momentum reads the mean alone
  const momentsOf = (key: string, like: Tensor) => {
    const held =
      moments.get(key) ??
      tidy(() => ({
        mean: keep(zerosLike(like)),
        square: keep(name === "momentum" ? zeros([]) : zerosLike(like)),
        steps: keep(zeros([])),
      }));
    moments.set(key, held);
    return held;
  };
  /** m = .9 m + g, a step against m (PyTorch's SGD with momentum). */
  const momentum = (key: string, target: Tensor, gradient: Tensor, lr: number) => {
    const { mean } = momentsOf(key, target);
    add_(mulScalar_(mean, MOMENTUM), gradient);
    sub_(target, mulScalar(mean, lr));
  };
  const adamw = (key: string, target: Tensor, gradient: Tensor, lr: number) => {
    const m = momentsOf(key, target);
    const state = {
      params: [target],
      grads: [gradient],
      means: [m.mean],
      squares: [m.square],
      steps: [m.steps],
    };
    fusedAdamW_(state, { lr, beta1, beta2, weightDecay: 0, eps });
  };
  const plain = (key: string, target: Tensor, gradient: Tensor, lr: number) => {
    if (name === "adamw") adamw(key, target, gradient, lr);
    else if (name === "momentum") momentum(key, target, gradient, lr);
    else sub_(target, mulScalar(gradient, lr));
  };
  return {
    step(key, variable, gradient, lr) {
      noGrad(() =>
        tidy(() => {
          if (project === undefined) return plain(key, variable, gradient, lr);
          const move = zerosLike(variable); // the step alone, to be projected before it is taken
          plain(key, move, gradient, lr);
          add_(variable, project(key, move));
        }),
      );
    },
    state: () =>
      new Map(
        [...moments].flatMap(([key, m]) =>
          Object.entries(m).map(([part, tensor]) => [`${key}/${part}`, tensor] as const),
        ),
      ),
    load(state) {
      for (const [path, tensor] of state) {
        const [, key, part] = /^(.*)\/(mean|square|steps)$/.exec(path) as unknown as [
          string,
          string,
          "mean" | "square" | "steps",
        ];
        const like = state.get(`${key}/mean`)!;
        noGrad(() => copy_(momentsOf(key, like)[part], tensor));
      }
    },
    reset() {
      disposeAll([...moments.values()]);
      moments.clear();
    },
    dispose: () => disposeAll([...moments.values()]),
  };
}
