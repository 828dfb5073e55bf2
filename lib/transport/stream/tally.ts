/** A count of blocks, of their bytes, and of the bytes of bodies among them. A body is a block in which a message lies. */
export class Tally {
  blocks = 0;
  bytes = 0;
  bodyBytes = 0;

  add(blocks: number, bytes: number, bodyBytes: number): void {
    this.blocks += blocks;
    this.bytes += bytes;
    this.bodyBytes += bodyBytes;
  }

  addBlock(length: number, isBody: boolean): void {
    this.add(1, length, isBody ? length : 0);
  }

  removeBlock(length: number): void {
    this.add(-1, -length, 0);
  }

  clear(): void {
    this.blocks = this.bytes = this.bodyBytes = 0;
  }

  /** Returns whether so much can be taken from it. When the last block goes, all bytes go. */
  covers(blocks: number, bytes: number, bodyBytes: number): boolean {
    const left = this.bytes - bytes;
    const bodyLeft = this.bodyBytes - bodyBytes;
    if (bodyBytes > bytes || bodyLeft < 0 || left < bodyLeft) return false;
    return blocks < this.blocks || (blocks === this.blocks && left === 0);
  }
}
