/** An ordered map whose versions cost nothing to keep: a B+ tree that copies what it changes, with subtree counts. */
import { afterPrefix, orderKey } from "./key-order.ts";

/** Nodes split above this many items. Small nodes copy fast, large ones take less memory; 32 was the best of 16, 32, 64. */
const MAX = 32;
/** Below this many items a node tries to join a neighbour. */
const SMALL = 10;

/** Who may change a node in place: the tree that made it, until it hands out a view. */
type Owner = object;

interface Leaf<V> {
  readonly owner: Owner;
  readonly children: undefined;
  /** Order keys, ascending. */
  readonly keys: string[];
  readonly values: V[];
}

interface Branch<V> {
  readonly owner: Owner;
  /** A lower bound of each child's keys; the first is never looked at. */
  readonly keys: string[];
  readonly children: Node<V>[];
  size: number;
}

type Node<V> = Leaf<V> | Branch<V>;

function sizeOf<V>(node: Node<V>): number {
  return node.children === undefined ? node.keys.length : node.size;
}

/** The index of the first key >= `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the child that holds `key` if any does. */
function childIndex(keys: readonly string[], key: string): number {
  let low = 1;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One version of the map: immutable. All methods take keys as they are; order is that of their UTF-8 bytes. */
export class TreeView<V> {
  readonly #root: Node<V>;

  constructor(root: Node<V>) {
    this.#root = root;
  }

  /** For `Tree.from`. */
  get root(): Node<V> {
    return this.#root;
  }

  get size(): number {
    return sizeOf(this.#root);
  }

  get(key: string): V | undefined {
    const wanted = orderKey(key);
    let node = this.#root;
    while (node.children !== undefined) node = node.children[childIndex(node.keys, wanted)]!;
    const index = lowerBound(node.keys, wanted);
    return node.keys[index] === wanted ? node.values[index] : undefined;
  }

  /** How many keys start with `prefix`. */
  count(prefix: string): number {
    if (prefix === "") return this.size;
    const first = orderKey(prefix);
    const end = afterPrefix(first);
    return (end === undefined ? this.size : this.#rank(end)) - this.#rank(first);
  }

  /** Values whose key starts with `prefix`, ascending, from the first key >= `start` on. */
  *range(prefix: string, start?: string): Generator<V, void, undefined> {
    const first = orderKey(prefix);
    const from = start === undefined ? first : orderKey(start);
    const low = from > first ? from : first;
    const path: { node: Branch<V>; index: number }[] = [];
    let node = this.#root;
    for (;;) {
      while (node.children !== undefined) {
        const index = childIndex(node.keys, low);
        path.push({ node, index });
        node = node.children[index]!;
      }
      const { keys, values } = node;
      // A leaf that starts in the range and ends in it needs no look at its keys.
      const begin = keys.length > 0 && keys[0]! >= low ? 0 : lowerBound(keys, low);
      const whole = keys.length > 0 && keys[keys.length - 1]!.startsWith(first);
      for (let item = begin; item < keys.length; item++) {
        if (!whole && !keys[item]!.startsWith(first)) return;
        yield values[item]!;
      }
      let next: Node<V> | undefined;
      while (next === undefined) {
        const above = path.at(-1);
        if (above === undefined) return;
        next = above.node.children[++above.index];
        if (next === undefined) path.pop();
      }
      node = next;
    }
  }

  /** How many keys are < `wanted`, an order key. */
  #rank(wanted: string): number {
    let node = this.#root;
    let before = 0;
    while (node.children !== undefined) {
      const index = childIndex(node.keys, wanted);
      for (let child = 0; child < index; child++) before += sizeOf(node.children[child]!);
      node = node.children[index]!;
    }
    return before + lowerBound(node.keys, wanted);
  }
}

/** The changing end of the map. `view()` is free; the next change after it copies one path. */
export class Tree<V> {
  #owner: Owner = {};
  #root: Node<V>;
  #view: TreeView<V> | undefined;

  constructor() {
    this.#root = { owner: this.#owner, children: undefined, keys: [], values: [] };
  }

  /** A tree that starts as `view` and leaves it as it is. */
  static from<V>(view: TreeView<V>): Tree<V> {
    const tree = new Tree<V>();
    tree.#root = view.root;
    return tree;
  }

  get size(): number {
    return sizeOf(this.#root);
  }

  view(): TreeView<V> {
    if (this.#view === undefined) {
      this.#view = new TreeView(this.#root);
      this.#owner = {};
    }
    return this.#view;
  }

  get(key: string): V | undefined {
    const wanted = orderKey(key);
    let node = this.#root;
    while (node.children !== undefined) node = node.children[childIndex(node.keys, wanted)]!;
    const index = lowerBound(node.keys, wanted);
    return node.keys[index] === wanted ? node.values[index] : undefined;
  }

  /** Returns the value that was there. */
  set(key: string, value: V): V | undefined {
    this.#view = undefined;
    this.#replaced = undefined;
    const wanted = orderKey(key);
    const root = this.#editable(this.#root);
    this.#root = root;
    const sibling = this.#put(root, wanted, value);
    if (sibling !== undefined) {
      this.#root = {
        owner: this.#owner,
        keys: ["", sibling.keys[0]!],
        children: [root, sibling],
        size: sizeOf(root) + sizeOf(sibling),
      };
    }
    const replaced = this.#replaced;
    this.#replaced = undefined;
    return replaced;
  }

  /** Returns the value that was there; undefined leaves the tree as it was. */
  delete(key: string): V | undefined {
    if (this.get(key) === undefined) return undefined;
    this.#view = undefined;
    const root = this.#editable(this.#root);
    const removed = this.#remove(root, orderKey(key));
    this.#root = root.children?.length === 1 ? root.children[0]! : root;
    return removed;
  }

  /** Set by `#put` when it found the key: a second return value without an allocation. */
  #replaced: V | undefined;

  /** Puts into a node that may be changed; returns the new right neighbour when the node had to split. */
  #put(node: Node<V>, key: string, value: V): Node<V> | undefined {
    if (node.children === undefined) {
      const index = lowerBound(node.keys, key);
      if (node.keys[index] === key) {
        this.#replaced = node.values[index];
        node.values[index] = value;
        return undefined;
      }
      node.keys.splice(index, 0, key);
      node.values.splice(index, 0, value);
      if (node.keys.length <= MAX) return undefined;
      // Ascending inserts (the first load) leave full nodes behind.
      const at = index === MAX ? MAX : MAX >>> 1;
      return { owner: this.#owner, children: undefined, keys: node.keys.splice(at), values: node.values.splice(at) };
    }
    const index = childIndex(node.keys, key);
    const child = this.#child(node, index);
    const before = sizeOf(child);
    const sibling = this.#put(child, key, value);
    node.size += sizeOf(child) - before;
    if (sibling === undefined) return undefined;
    node.size += sizeOf(sibling);
    node.keys.splice(index + 1, 0, sibling.keys[0]!);
    node.children.splice(index + 1, 0, sibling);
    if (node.keys.length <= MAX) return undefined;
    const at = index + 1 === MAX ? MAX : MAX >>> 1;
    const right: Branch<V> = {
      owner: this.#owner,
      keys: node.keys.splice(at),
      children: node.children.splice(at),
      size: 0,
    };
    for (const moved of right.children) right.size += sizeOf(moved);
    node.size -= right.size;
    return right;
  }

  #remove(node: Node<V>, key: string): V | undefined {
    if (node.children === undefined) {
      const index = lowerBound(node.keys, key);
      const value = node.values[index];
      node.keys.splice(index, 1);
      node.values.splice(index, 1);
      return value;
    }
    const index = childIndex(node.keys, key);
    const child = this.#child(node, index);
    const removed = this.#remove(child, key);
    node.size--;
    if (child.keys.length < SMALL && node.children.length > 1) this.#join(node, index === 0 ? 0 : index - 1);
    return removed;
  }

  /** Joins children `left` and `left + 1` when they fit into one node. */
  #join(parent: Branch<V>, left: number): void {
    const first = parent.children[left]!;
    const second = parent.children[left + 1]!;
    if (first.keys.length + second.keys.length > MAX) return;
    const target = this.#child(parent, left);
    const bound = parent.keys[left + 1]!;
    if (target.children === undefined) {
      target.keys.push(...second.keys);
      target.values.push(...(second as Leaf<V>).values);
    } else {
      const moved = second as Branch<V>;
      // The first key of a branch is a bound nobody reads; in the middle of one it must be right.
      target.keys.push(bound, ...moved.keys.slice(1));
      target.children.push(...moved.children);
      target.size += moved.size;
    }
    parent.keys.splice(left + 1, 1);
    parent.children.splice(left + 1, 1);
  }

  #child(parent: Branch<V>, index: number): Node<V> {
    const child = parent.children[index]!;
    const own = this.#editable(child);
    if (own !== child) parent.children[index] = own;
    return own;
  }

  #editable(node: Node<V>): Node<V> {
    if (node.owner === this.#owner) return node;
    if (node.children === undefined) {
      return { owner: this.#owner, children: undefined, keys: node.keys.slice(), values: node.values.slice() };
    }
    return { owner: this.#owner, keys: node.keys.slice(), children: node.children.slice(), size: node.size };
  }
}
