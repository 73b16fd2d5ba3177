"""Writes and reads the GGUF v3 file of the guide: Q8_0 matrices, F32 norms, byte-level BPE and a ChatML template."""
import struct

import numpy
import torch

MAGIC, VERSION, ALIGNMENT, BLOCK = b"GGUF", 3, 32, 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32, Q8_0 = 0, 8
NORMAL_TOKEN, CONTROL_TOKEN = 1, 3
FILE_TYPE_Q8_0 = 7
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, content):
    if kind == STRING:
        return string(content)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], content)


def pair(key, kind, content, item_kind=None):
    head = string(key) + struct.pack("<I", kind)
    if kind != ARRAY:
        return head + value(kind, content)
    return head + struct.pack("<IQ", item_kind, len(content)) + b"".join(value(item_kind, c) for c in content)


def metadata(shape, tokenizer, corpus):
    normal = tokenizer.first_special
    llama = {"context_length": shape.context, "embedding_length": shape.width, "block_count": shape.layers,
             "feed_forward_length": shape.hidden, "rope.dimension_count": shape.width // shape.heads,
             "attention.head_count": shape.heads, "attention.head_count_kv": shape.heads, "vocab_size": shape.vocabulary}
    return [
        pair("general.architecture", STRING, "llama"),
        pair("general.type", STRING, "model"),
        pair("general.name", STRING, "cocoon-guide"),
        pair("general.description", STRING, "Answers questions about Cocoon and declines all others."),
        pair("general.license", STRING, "mit"),
        pair("general.languages", ARRAY, ["en"], STRING),
        pair("general.file_type", UINT32, FILE_TYPE_Q8_0),
        pair("general.quantization_version", UINT32, 2),
        pair("cocoon.corpus.sha256", STRING, corpus.sha256),
        pair("cocoon.corpus.topics", UINT32, len(corpus.topics)),
        *(pair("llama." + key, UINT32, number) for key, number in llama.items()),
        pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, shape.epsilon),
        pair("llama.rope.freq_base", FLOAT32, shape.rope_base),
        pair("tokenizer.ggml.model", STRING, "gpt2"),
        pair("tokenizer.ggml.pre", STRING, "gpt-2"),
        pair("tokenizer.ggml.tokens", ARRAY, tokenizer.tokens, STRING),
        pair("tokenizer.ggml.token_type", ARRAY,
             [NORMAL_TOKEN if i < normal else CONTROL_TOKEN for i in range(len(tokenizer.tokens))], INT32),
        pair("tokenizer.ggml.merges", ARRAY, [" ".join(m) for m in tokenizer.merges], STRING),
        pair("tokenizer.ggml.bos_token_id", UINT32, tokenizer.end_of_text),
        pair("tokenizer.ggml.eos_token_id", UINT32, tokenizer.im_end),
        pair("tokenizer.ggml.add_bos_token", BOOL, False),
        pair("tokenizer.ggml.add_eos_token", BOOL, False),
        pair("tokenizer.chat_template", STRING, TEMPLATE),
    ]


def quantize(matrix):
    """Q8_0: per 32 weights one half-precision scale and 32 signed bytes."""
    blocks = matrix.numpy().astype(numpy.float32).reshape(-1, BLOCK)
    scale = numpy.abs(blocks).max(1) / 127
    inverse = numpy.divide(1, scale, out=numpy.zeros_like(scale), where=scale > 0)
    packed = numpy.empty(len(blocks), dtype=[("scale", "<f2"), ("weights", "i1", BLOCK)])
    packed["scale"] = scale
    packed["weights"] = numpy.rint(blocks * inverse[:, None])
    return packed.tobytes()


def dequantize(data, rows, columns):
    packed = numpy.frombuffer(data, dtype=[("scale", "<f2"), ("weights", "i1", BLOCK)])
    weights = packed["scale"].astype(numpy.float32)[:, None] * packed["weights"].astype(numpy.float32)
    return torch.from_numpy(weights.reshape(rows, columns).copy())


def padded(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def write(path, guide, tokenizer, corpus):
    """Returns the weights as a reader of the file sees them, so that the evaluation runs on what was shipped."""
    pairs = metadata(guide.shape, tokenizer, corpus)
    infos, blobs, offset, shipped = [], [], 0, {}
    for name, tensor in guide.state_dict().items():
        name = name if name.endswith(".weight") else name + ".weight"
        matrix = tensor.dim() == 2
        data = quantize(tensor) if matrix else tensor.numpy().astype("<f4").tobytes()
        shipped[name] = dequantize(data, *tensor.shape) if matrix else tensor.clone()
        sizes = list(tensor.shape)[::-1]
        infos.append(string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, Q8_0 if matrix else F32, offset))
        blobs.append(padded(data))
        offset += len(blobs[-1])
    head = MAGIC + struct.pack("<IQQ", VERSION, len(infos), len(pairs)) + b"".join(pairs) + b"".join(infos)
    path.write_bytes(padded(head) + b"".join(blobs))
    return shipped
