/** Authorities and certificates for tests, made by openssl. */
import assert from "node:assert/strict";

const NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/** A certificate and its key: paths, and texts. */
export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority whose files lie in a folder. */
export class Authority {
  private constructor(readonly folder: string, readonly name: string) {}

  /** Path of its own certificate. */
  get file(): string {
    return `${this.folder}/${this.name}.pem`;
  }

  static async make(folder: string, name: string): Promise<Authority> {
    await openssl(
      folder,
      `req -x509 ${NEW_KEY} -keyout ${name}.key -out ${name}.pem -days 2 -subj /CN=${name}`,
    );
    return new Authority(folder, name);
  }

  /**
   * A certificate of this authority.
   *
   * @param names As in `subjectAltName`: `DNS:localhost,IP:127.0.0.1`.
   * @param days How long it is valid; with 0 it has expired at once.
   */
  async issue(name: string, names: string, days = 2): Promise<Issued> {
    const { folder } = this;
    await Deno.writeTextFile(`${folder}/${name}.names`, `subjectAltName=${names}`);
    await openssl(
      folder,
      `req ${NEW_KEY} -keyout ${name}.key -out ${name}.request -subj /CN=${name}`,
    );
    await openssl(
      folder,
      `x509 -req -in ${name}.request -CA ${this.name}.pem -CAkey ${this.name}.key -CAcreateserial ` +
        `-days ${days} -extfile ${name}.names -out ${name}.pem`,
    );
    const [certFile, keyFile] = [`${folder}/${name}.pem`, `${folder}/${name}.key`];
    const [cert, key] = [await Deno.readTextFile(certFile), await Deno.readTextFile(keyFile)];
    return { certFile, keyFile, cert, key };
  }
}

async function openssl(cwd: string, command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: command.split(" "), cwd })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
