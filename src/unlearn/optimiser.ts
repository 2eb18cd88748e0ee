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

/** What Adam remembers of a variable; momentum reads the mean alone. */
type Moments = { readonly mean: Tensor; readonly square: Tensor; readonly steps: Tensor };

/** Adam's (.9, .98) as in Jang et al. and the prototypes: gradients of few texts change quickly. */
export function optimiser({
  name = "adamw",
  beta1 = 0.9,
  beta2 = 0.98,
  eps = 1e-8,
  project,
}: Options = {}): Optimiser {
  const moments = new Map<string, Moments>();
  const momentsOf = (key: string, like: Tensor): Moments => {
    const held = moments.get(key) ?? tidy(() => fresh(like, { square: name !== "momentum" }));
    moments.set(key, held);
    return held;
  };
  const move = (key: string, target: Tensor, gradient: Tensor, lr: number): void => {
    if (name === "adamw") {
      adamw(target, gradient, momentsOf(key, target), { lr, beta1, beta2, weightDecay: 0, eps });
    } else if (name === "momentum") momentum(target, gradient, momentsOf(key, target), lr);
    else sub_(target, mulScalar(gradient, lr));
  };
  return {
    step(key, variable, gradient, lr) {
      noGrad(() =>
        tidy(() => {
          if (project === undefined) return move(key, variable, gradient, lr);
          const alone = zerosLike(variable); // the step alone, to be projected before it is taken
          move(key, alone, gradient, lr);
          add_(variable, project(key, alone));
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
          keyof Moments,
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

const fresh = (like: Tensor, { square }: { square: boolean }): Moments => ({
  mean: keep(zerosLike(like)),
  square: keep(square ? zerosLike(like) : zeros([])),
  steps: keep(zeros([])),
});

const adamw = (
  target: Tensor,
  gradient: Tensor,
  { mean, square, steps }: Moments,
  settings: Parameters<typeof fusedAdamW_>[1],
): void => {
  const state = {
    params: [target],
    grads: [gradient],
    means: [mean],
    squares: [square],
    steps: [steps],
  };
  fusedAdamW_(state, settings);
};

/** m = .9 m + g, a step against m (PyTorch's SGD with momentum). */
function momentum(target: Tensor, gradient: Tensor, { mean }: Moments, lr: number): void {
  add_(mulScalar_(mean, MOMENTUM), gradient);
  sub_(target, mulScalar(mean, lr));
}
