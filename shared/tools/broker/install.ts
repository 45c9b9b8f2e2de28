/** Installing RabbitMQ from the system's packages. */
import { FailedError } from "../../script.ts";
import type { Waiting } from "./local_node.ts";

const APT_GET = "/usr/bin/apt-get";
const SUDO = "/usr/bin/sudo";

/** Whether there is such a file or folder. */
export const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** What to type on this system. */
export async function howToInstall(): Promise<string> {
  const ways = ["docker run -d -p 5672:5672 -p 15672:15672 rabbitmq:4-management"];
  if (Deno.build.os === "darwin") ways.unshift("brew install rabbitmq");
  if (await exists(APT_GET)) {
    ways.unshift("deno task broker --install (apt-get install rabbitmq-server)");
  }
  return `No AMQP broker answers and no RabbitMQ is installed. Type: ${ways.join("  or: ")}`;
}

/** @throws {FailedError} If there is no apt-get, no right to use it, or it fails. */
export async function installWithApt({ signal, report }: Waiting): Promise<void> {
  const root = Deno.uid() === 0;
  if (!await exists(APT_GET)) {
    throw new FailedError(`--install needs apt-get. ${await howToInstall()}`);
  }
  if (!root && !await maySudo()) {
    throw new FailedError("--install needs root, by sudo in a terminal if it asks for a password");
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  let said = "";
  for (const step of ["update", "install -y --no-install-recommends rabbitmq-server"]) {
    const command = new Deno.Command(root ? APT_GET : SUDO, {
      args: [
        ...root ? [] : ["-n", "DEBIAN_FRONTEND=noninteractive", APT_GET],
        // Another apt-get may be at work on a new machine.
        ...["-o", "DPkg::Lock::Timeout=120"],
        ...step.split(" "),
      ],
      env,
      stdin: "null",
    });
    const tell = () => report(`Installing RabbitMQ: apt-get ${step}`);
    const timer = setInterval(tell, 500);
    tell();
    const { success, stderr } = await command.output().finally(() => clearInterval(timer));
    said += new TextDecoder().decode(stderr);
    if (signal.aborted) throw new FailedError("Interrupted while RabbitMQ was being installed");
    // A list of packages that can't be updated needn't be the one with RabbitMQ.
    if (!success && step !== "update") {
      const errors = said.split("\n").filter((line) => /^(E|sudo): |^W: Failed to/.test(line));
      throw new FailedError(
        `apt-get failed: ${(errors.reverse().join("; ") || said.trim()).slice(0, 400)}`,
      );
    }
  }
}

/** Lets sudo ask for the password, if there is someone to ask, while nothing else is written. */
async function maySudo(): Promise<boolean> {
  if (!await exists(SUDO)) return false;
  const ask = Deno.stdin.isTerminal();
  const args = ask ? ["-v"] : ["-n", "-v"];
  return (await new Deno.Command(SUDO, { args, stderr: ask ? "inherit" : "null" }).spawn().status)
    .success;
}
