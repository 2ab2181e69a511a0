// The tutorial's callback, received as a TypeScript developer would: Node's own server and the npm package.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

interface InvoiceEvent {
  description: string;
  paid: boolean;
}

const webhook = new Webhook(process.env.WEBHOOK_SECRET!);
const acted = new Set<string>();
const most = 1 << 20;

function isInvoiceEvent(value: unknown): value is InvoiceEvent {
  const event = value as InvoiceEvent | null;
  return typeof event === "object" && typeof event?.description === "string" && typeof event.paid === "boolean";
}

const server = createServer(async (request, response) => {
  const answer = (status: number, value: unknown) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  if (request.method !== "POST" || !/^\/events\/invoices\/[^/?]+$/.test(request.url ?? "")) {
    return answer(404, { error: "nothing is here" });
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += chunk.length;
      if (size > most) return answer(413, { error: "too large" });
      chunks.push(chunk);
    }
  } catch {
    return; // the caller has gone, and so must not take the process along
  }
  let event: unknown;
  try {
    // The raw body: what was parsed and written again would not verify.
    event = webhook.verify(Buffer.concat(chunks).toString("utf8"), request.headers as Record<string, string>);
  } catch {
    return answer(403, { error: "the signature was not accepted" });
  }
  if (!isInvoiceEvent(event)) return answer(422, { error: "not an invoice event" });
  const id = request.headers["webhook-id"] as string;
  if (!acted.has(id)) {
    acted.add(id); // act here
  }
  return answer(200, { ok: true });
});

server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});
