/**
 * @file The one door to @huggingface/tokenizers, with the types of what we use.
 * The package's own declarations import without file extensions, which resolves to nothing under nodenext.
 */
import * as library from "@huggingface/tokenizers";

type AddedToken = { id: number; content: string; special: boolean };

export type HfTokenizer = {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[]): string;
  id_to_token(id: number): string | undefined;
  get_added_tokens_decoder(): Map<number, AddedToken>;
  get_vocab(): Map<string, number>;
  readonly normalizer: { normalize(text: string): string } | null;
};

type Constructor = new (definition: object, config: object) => HfTokenizer;

const { Tokenizer } = library as unknown as { Tokenizer: Constructor };

/** The library's tokenizer of a tokenizer.json and a tokenizer_config.json; throws what the library throws. */
export const makeHfTokenizer = (definition: object, config: object): HfTokenizer =>
  new Tokenizer(definition, config);
