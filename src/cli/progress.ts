/** @file Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet. */
import cliProgress from "cli-progress";

export type Progress = {
  readonly show: (event: { type: string }) => void;
  readonly say: (line: string) => void;
  readonly stop: () => void;
};

type Phase = { type: "phase"; name: string; done?: number; total?: number };
const isPhase = (event: { type: string }): event is Phase => event.type === "phase";

export function progress({ quiet }: { quiet: boolean }): Progress {
  const terminal = process.stderr.isTTY && !quiet;
  let bar: cliProgress.SingleBar | undefined;
  let phase = "";
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
    if (!terminal || !Number.isFinite(total)) return;
    if (bar === undefined) {
      const format = "{name} {bar} {value}/{total} {rate}/s, {eta_formatted} left";
      bar = new cliProgress.SingleBar(
        { format, stream: process.stderr, hideCursor: true, barsize: 24 },
        cliProgress.Presets.legacy,
      );
      bar.start(total, 0, { name, rate: "0" });
    }
    bar.update(done, { name });
    if (done >= total) stop();
  };
  return {
    say,
    stop,
    show(event) {
      if (quiet) return;
      if (isPhase(event)) showPhase(event);
      else if (event.type !== "step") say(lineOf(event));
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
