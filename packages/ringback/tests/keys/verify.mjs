// Verifies requests as a JavaScript developer would: v1 by the npm package, v1a by Node's own Ed25519 and a JWK.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages] = process.argv.slice(2);
const { Webhook } = createRequire(packages + "/")("standardwebhooks");
const { secret, keys, requests } = JSON.parse(readFileSync(0, "utf8"));

function byPackage({ headers, body }) {
  try {
    return new Webhook(secret).verify(Buffer.from(body, "base64").toString("utf8"), headers);
  } catch (refused) {
    return refused.constructor.name;
  }
}

function byKeySet({ headers, body }) {
  const head = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`;
  const content = Buffer.concat([Buffer.from(head), Buffer.from(body, "base64")]);
  const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
  return keys.some((jwk) =>
    signatures.some((one) =>
      verify(null, content, createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(one.slice(4), "base64")),
    ),
  );
}

console.log(JSON.stringify(requests.map((one) => ({ v1: byPackage(one), v1a: byKeySet(one) }))));
