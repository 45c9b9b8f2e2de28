/** A certificate for tests, made by openssl. */
import assert from "node:assert/strict";

/** A certificate for localhost and 127.0.0.2, and the authority that has signed it. */
export class Certificate implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly key: string,
    readonly cert: string,
  ) {}

  /** Path of the authority's certificate, for DENO_CERT. */
  get authority(): string {
    return `${this.folder}/ca.pem`;
  }

  static async make(): Promise<Certificate> {
    const folder = await Deno.makeTempDir();
    const names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2";
    const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    await Deno.writeTextFile(`${folder}/names`, names);
    for (
      const command of [
        `req -x509 ${newKey} -keyout ca.key -out ca.pem -days 2 -subj /CN=Authority`,
        `req ${newKey} -keyout key.pem -out request.pem -subj /CN=localhost`,
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 " +
        "-extfile names -out cert.pem",
      ]
    ) {
      const { success, stderr } = await new Deno.Command("openssl", {
        args: command.split(" "),
        cwd: folder,
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
    }
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
    return new Certificate(folder, await read("key.pem"), await read("cert.pem"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
