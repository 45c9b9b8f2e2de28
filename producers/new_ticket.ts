/**
 * Publishes one help-desk ticket, submitted now: from its flags, or in a terminal from the answers to two questions.
 *
 *     deno task helpdesk:new
 *     deno task helpdesk:new --name Adam --category A
 *
 * Needs the network for the broker, `logs/` to write with `--log`, the browser to run with `--admin`.
 */
import { newItemOptions, publishNew } from "../shared/replay.ts";
import { ask, optional, reasonOf, run, type Script, text, UsageError } from "../shared/script.ts";
import { CATEGORIES, HELPDESK, localNow, type Ticket, ticketOf } from "../shared/streams.ts";

type Category = Ticket["category"];

const CHOICES = Object.entries(CATEGORIES).map(([letter, words]) => `${letter} ${words}`);

const usage = {
  task: "helpdesk:new",
  script: "new_ticket",
  summary:
    "Publishes one ticket to help_queue, submitted now. In a terminal it asks for what is missing.\n" +
    `Categories: ${CHOICES.join(", ")}.`,
  options: {
    name: optional("NAME", requester, "who asks for help"),
    category: optional("LETTER", category, "what for: A, B, C, D or E"),
    ...newItemOptions(HELPDESK, "tickets"),
  },
};

type NewTicketScript = Script<typeof usage.options>;

function requester(value: string): string {
  return text(value.trim());
}

function category(value: string): Category {
  const letter = value.trim().toUpperCase();
  if (!(letter in CATEGORIES)) throw new RangeError("must be A, B, C, D or E");
  return letter as Category;
}

/** The ticket that flags and answers make; none when somebody has stopped before the last answer. */
async function* newTicket(script: NewTicketScript): AsyncGenerator<Ticket> {
  const { values } = script;
  const name = values.name ?? await answer("Your name: ", requester, script);
  const choices = ["What do you need help with?", ...CHOICES.map((choice) => `  ${choice}`)];
  const question = [...choices, "A to E: "].join("\n");
  const letter = values.category ?? (name && await answer(question, category, script));
  // Below the question, which has no answer.
  if (!name || !letter) return script.out.note("\nNothing was sent");
  yield ticketOf(localNow(), name, letter);
}

/** Asks again until the answer can be used. */
async function answer<T>(
  question: string,
  parse: (text: string) => T,
  { out, signal }: NewTicketScript,
): Promise<T | undefined> {
  while (true) {
    const typed = await ask(question, out, signal);
    if (typed === undefined) return undefined;
    try {
      return parse(typed);
    } catch (error) {
      out.error(`It ${reasonOf(error)}`);
    }
  }
}

if (import.meta.main) {
  await run(usage, (script) => {
    const { name, category } = script.values;
    if ((name === undefined || category === undefined) && !Deno.stdin.isTerminal()) {
      throw new UsageError(
        `--name and --category are needed where nobody can be asked: --name Adam --category A ` +
          `(${CHOICES.join(", ")})`,
      );
    }
    return publishNew(script, {
      stream: HELPDESK,
      to: "tickets",
      items: newTicket(script),
      line: ({ name, category }) => `Sent ${name}: ${CATEGORIES[category]}`,
    });
  });
}
