import { createHash, timingSafeEqual } from "node:crypto";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const webhooks = process.env.WEBHOOK_SECRET!.split(" ").map((secret) => new Webhook(secret));

/** The event; throws WebhookVerificationError. `body` is what arrived, before anything has parsed it. */
export function verify(body: Buffer, headers: Record<string, string>, path: string): unknown {
  const event = webhooks.map((webhook) => attempt(webhook, body, headers)).find((found) => found !== undefined);
  if (event === undefined) throw new WebhookVerificationError("no secret fits");
  const end = headers["webhook-id"].lastIndexOf("_");
  const [stem, claimed] = [headers["webhook-id"].slice(0, end), headers["webhook-id"].slice(end + 1)];
  const madeFor = createHash("sha256").update(`${stem}.${path}`).digest("hex").slice(0, 8);
  if (!sameText(claimed, madeFor)) throw new WebhookVerificationError("it was signed for another path");
  return event.value;
}

function attempt(webhook: Webhook, body: Buffer, headers: Record<string, string>): { value: unknown } | undefined {
  try {
    return { value: webhook.verify(body.toString("utf8"), headers) };
  } catch {
    return undefined;
  }
}

function sameText(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
