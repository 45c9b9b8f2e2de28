/**
 * Sends the alerts of `alert_queue` by mail, as texts to phones and to a web hook: one notice of each configured
 * kind when an alert opens, one when it is over.
 *
 *     SMTP_URL=smtps://… ALERT_FROM=me@example.com ALERT_EMAIL_TO=me@example.com deno task alerts:notify
 *     deno task alerts:notify --env-file alerts.env --test
 *
 * An alert is first put into a queue for each kind (`alert_queue.email`, …), then acknowledged; there the notice
 * stays until its server has taken it. Needs the network for the broker, and for mail server and web hook on this
 * machine or where ALERT_HOSTS says; `alerts.env` to read for `--env-file`, `logs/` to write with `--log`.
 */
import { brokerAddress, CONSUMER_OPTIONS } from "../shared/connection.ts";
import {
  MailSender,
  MAX_WAIT_MS,
  type NoticeSender,
  type NoticeSettings,
  notify,
  readVariables,
  requireServers,
  sampleNotice,
  Secrets,
  serversOf,
  settingsFrom,
  WebhookSender,
} from "../shared/notifier.ts";
import {
  counted,
  flag,
  optional,
  path,
  positiveDuration,
  reasonOf,
  run,
  type Script,
  UsageError,
  withDefault,
} from "../shared/script.ts";
import { ALERTS, namesOf, queueOption } from "../shared/streams.ts";

/** With a try and the wait before it a notice must be held for far less than RabbitMQ's half hour. */
const upTo5Minutes = (value: string) => {
  const ms = positiveDuration(value);
  if (ms > MAX_WAIT_MS) throw new RangeError("must be at most 5m");
  return ms;
};

const usage = {
  task: "alerts:notify",
  script: "alert_notifier",
  summary:
    "Sends alerts by email, text and web hook: a notice when an alert opens, another when it is over.\n" +
    "Set up by SMTP_URL, ALERT_FROM, ALERT_EMAIL_TO, ALERT_TEXT_TO and ALERT_WEBHOOK_URL. ALERT_HOSTS names\n" +
    "the host:port of mail server and web hook (commas between) that are not on this machine.",
  options: {
    envFile: path(
      "PATH",
      "file with these variables: alerts.env, or - for standard input; the environment's win",
    ),
    test: flag("send one notice of each configured kind, show the answers, end; without a broker"),
    skipWaiting: flag("leave out the alerts that waited from before"),
    since: optional("TIME", positiveDuration, "leave out alerts published longer ago than this"),
    giveUp: withDefault(
      "TIME",
      positiveDuration,
      "24h",
      "a notice that can't be sent for so long is a dead letter",
    ),
    retry: withDefault("TIME", upTo5Minutes, "1s", "first wait after a failure; doubles up to 5m"),
    timeout: withDefault("TIME", upTo5Minutes, "1m", "for one try; a web hook has 15s at most"),
    insecure: flag("allow other machines' servers without TLS or a trusted certificate"),
    queue: queueOption(namesOf(ALERTS, "alerts"), { main: "alerts" }),
    ...CONSUMER_OPTIONS,
    prefetch: {
      ...CONSUMER_OPTIONS.prefetch,
      help: "alerts held at a time; notices are sent one after the other",
    },
  },
};

type NotifierScript = Script<typeof usage.options>;

async function main(script: NotifierScript): Promise<number> {
  const { values, out, signal } = script;
  const { insecure } = values;
  const secrets = new Secrets();
  const variables = await readVariables(values.envFile, usage.task);
  const settings = settingsFrom(variables, { insecure, secrets });
  await requireServers(settings, usage.task);
  const senders = sendersFor(settings, { secrets, timeoutMs: values.timeout });
  if (values.test) return await testAll(script, senders);
  await notify(senders, {
    name: values.name,
    address: brokerAddress(values.url, values),
    alerts: values.queue.alerts,
    notBefore: notBefore(values),
    prefetch: values.prefetch,
    exitWhenIdle: values.exitWhenIdle,
    retryMs: values.retry,
    giveUpMs: values.giveUp,
    out,
    signal,
  });
  return 0;
}

/** The publishing time from which on alerts are sent, in ms since 1970; `undefined` for all. */
function notBefore({ skipWaiting, since }: NotifierScript["values"]): number | undefined {
  if (skipWaiting && since !== undefined) {
    throw new UsageError("--skip-waiting and --since exclude each other: give one of them");
  }
  if (skipWaiting) return Date.now();
  return since === undefined ? undefined : Date.now() - since;
}

function sendersFor(
  settings: NoticeSettings,
  options: { secrets: Secrets; timeoutMs: number },
): NoticeSender[] {
  const { email, text, webhook } = settings;
  const servers = serversOf(settings);
  const at = (kind: NoticeSender["kind"]) => ({ ...options, server: servers.get(kind) ?? "" });
  return [
    ...(email ? [new MailSender("email", email, at("email"))] : []),
    ...(text ? [new MailSender("text", text, at("text"))] : []),
    ...(webhook ? [new WebhookSender(webhook, at("webhook"))] : []),
  ];
}

/**
 * Sends a sample with each sender and shows what its server answers.
 *
 * @returns The exit code: 1 if one failed.
 */
async function testAll({ out, signal }: NotifierScript, senders: NoticeSender[]): Promise<number> {
  out.event({ event: "ready", pid: Deno.pid, name: usage.script });
  let handled = 0;
  for (const sender of senders) {
    const { kind: by, server } = sender;
    try {
      const answer = await sender.send(sampleNotice(), signal);
      handled++;
      out.event(
        { event: "test", by, ok: true, answer },
        () => `${by}: ${server} took it: ${answer}`,
      );
    } catch (error) {
      if (signal.aborted) break;
      const answer = reasonOf(error);
      out.problem({ event: "test", by, ok: false, answer }, () => `${by}: ${server}: ${answer}`);
    }
  }
  out.summary(
    { event: "summary", handled, duplicates: 0, dead: 0 },
    () => `${handled} of ${counted(senders.length, "notice")} sent`,
  );
  return handled === senders.length || signal.aborted ? 0 : 1;
}

if (import.meta.main) await run(usage, main);
