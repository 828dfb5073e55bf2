import type { Driver } from "../../store/sqlite-driver.js";
import { SqliteFile } from "../../store/sqlite-file.js";
import { MIGRATIONS, SIGNATURE } from "./schema.js";
import type { Owner } from "./tables.js";

/** A file of mailboxes that this broker has open. */
export class OpenFile extends SqliteFile {
  /** Opens the file and migrates it, or makes it. Throws a StoreError if it is of a newer version or another program's. */
  static open(path: string, driver: Driver, durability: "process" | "disk"): OpenFile {
    return new OpenFile(path, driver, {
      format: { signature: SIGNATURE, migrations: MIGRATIONS },
      durability,
    });
  }

  /** Returns who has the store, or had it last. */
  owner(): Owner {
    return this.database.prepare("select epoch, pid, socket from fence").get() as unknown as Owner;
  }

  /** Raises the epoch. Returns it. */
  takeOver({ pid, socket }: Omit<Owner, "epoch">): number {
    const sql = "update fence set epoch = epoch + 1, pid = ?, socket = ? returning epoch";
    return this.database.prepare(sql).all(pid, socket)[0]!.epoch as number;
  }
}
