/** Alerts to mail, text and web hook: settings, senders, and the queues in which notices wait for their servers. */
export { MailSender } from "./notifier/mail_sender.ts";
export { sampleNotice } from "./notifier/notices.ts";
export { notify } from "./notifier/notify.ts";
export { MAX_WAIT_MS } from "./notifier/queue.ts";
export { Secrets } from "./notifier/secrets.ts";
export type { NoticeSender } from "./notifier/sender.ts";
export { type NoticeSettings, readVariables, requireServers } from "./notifier/settings.ts";
export { serversOf, settingsFrom } from "./notifier/settings.ts";
export { WebhookSender } from "./notifier/webhook_sender.ts";
