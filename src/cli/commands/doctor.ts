/** @file `doctor`: what runs here, and a way out for each thing missing. */
import { diagnose } from "../../setup/doctor.ts";
import type { Tensor } from "../../torch/index.ts";
import type { Invocation } from "../invocation.ts";

export async function run({ json }: Invocation): Promise<number> {
  const { rows } = await diagnose();
  const probed = rows.every((r) => r.ok) ? [...rows, ...(await gemm())] : rows;
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ schema: "unrecite/doctor/v1", rows: probed }, null, 2)}\n`,
    );
  } else {
    for (const r of probed) {
      process.stdout.write(
        `${r.ok ? "ok  " : "MISS"} ${r.name.padEnd(12)} ${r.found}${r.ok || r.wayOut === undefined ? "" : `\n     → ${r.wayOut}`}\n`,
      );
    }
  }
  return probed.every((r) => r.ok) ? 0 : 3;
}

/** GFLOP/s of a 1024-cube product per dtype: printed, never decisive. */
async function gemm(): Promise<{ name: string; ok: boolean; found: string; wayOut?: string }[]> {
  const { cudaAnswers, matmul, noGrad, randn, select, tidy, useDevice } =
    await import("../../torch/index.ts");
  if (cudaAnswers().answers) useDevice("cuda");
  const n = 1024;
  const finished = (x: Tensor) => select(select(x, 0, 0), 0, 0).item(); // a GPU works behind the call's back
  return (["float32", "bfloat16"] as const).map((dtype) => {
    const seconds = noGrad(() =>
      tidy(() => {
        const a = randn([n, n], { dtype });
        finished(matmul(a, a));
        const start = performance.now();
        for (let i = 0; i < 4; i++) tidy(() => void finished(matmul(a, a)));
        return (performance.now() - start) / 4000;
      }),
    );
    return {
      name: `gemm ${dtype}`,
      ok: true,
      found: `${((2 * n ** 3) / seconds / 1e9).toFixed(0)} GFLOP/s (1024 x 1024 x 1024)`,
    };
  });
}
