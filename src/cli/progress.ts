/** @file Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet. */
import cliProgress from "cli-progress";

export type Progress = {
  readonly show: (event: { type: string }) => void;
  readonly say: (line: string) => void;
  readonly stop: () => void;
};

type Phase = { type: "phase"; name: string; done?: number; total?: number };
const isPhase = (event: { type: string }): event is Phase => event.type === "phase";

type Step = { type: "step"; epoch: number; batch: number; batches: number };
const isStep = (event: { type: string }): event is Step => event.type === "step";

export function progress({ quiet }: { quiet: boolean }): Progress {
  const terminal = process.stderr.isTTY && !quiet;
  let bar: cliProgress.SingleBar | undefined;
  let phase = "";
  let start = { at: 0, done: 0 }; // of the bar
  const stop = () => {
    bar?.stop();
    bar = undefined;
  };
  const say = (line: string) => {
    stop();
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  const showPhase = ({ name, done = 0, total = NaN }: Phase) => {
    if (name !== phase) {
      stop();
      phase = name;
      if (!terminal) say(`${name} …`);
    }
    if (!terminal) return;
    if (bar === undefined) {
      bar = barFor(Number.isFinite(total));
      start = { at: performance.now(), done };
      bar.start(Number.isFinite(total) ? total : Number.MAX_SAFE_INTEGER, 0, { name, rate: "–" });
    }
    const rate = (done - start.done) / ((performance.now() - start.at) / 1000);
    bar.update(done, { name, rate: Number.isFinite(rate) ? rate.toPrecision(3) : "–" });
    if (done >= total) stop();
  };
  return {
    say,
    stop,
    show(event) {
      if (quiet) return;
      if (isPhase(event)) showPhase(event);
      else if (!isStep(event)) say(lineOf(event));
      else if (terminal) {
        showPhase({
          type: "phase",
          name: `epoch ${event.epoch}`,
          done: event.batch,
          total: event.batches,
        });
      }
    },
  };
}

/** One plain line an event. */
function lineOf(event: { type: string }): string {
  const fields = Object.entries(event)
    .filter(([key]) => key !== "type")
    .map(([key, value]) => `${key} ${format(value)}`);
  return `${event.type.padEnd(10)} ${fields.join(", ")}`;
}

const format = (value: unknown): string =>
  typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);

/** How far, how fast and how long yet; a stream of unknown length has no end to show. */
const barFor = (known: boolean): cliProgress.SingleBar =>
  new cliProgress.SingleBar(
    {
      format: known
        ? "{name} {bar} {value}/{total} {rate}/s, {eta_formatted} left"
        : "{name} {value} {rate}/s, {duration_formatted} so far",
      stream: process.stderr,
      hideCursor: true,
      barsize: 24,
    },
    cliProgress.Presets.legacy,
  );
