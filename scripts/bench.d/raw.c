/* The bare loop that the engine is measured against: llama.cpp's own functions and an arg-max, nothing else.
 * Usage: raw LIBGGML_BASE LIBGGML LIBLLAMA FOLDER MODEL SEQUENCES CONTEXT THREADS, then lines "sequences prompt tokens" on stdin;
 * answers "seconds first_token_seconds generated". Layouts are those of llama.cpp 0.4 and 0.5, as in Interop/LlamaStructs.cs. */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  void *devices, *overrides; int32_t n_gpu_layers, split_mode, load_mode, lazy_mode, main_gpu; float *tensor_split;
  void *progress, *progress_data, *kv_overrides; uint8_t vocab_only, check_tensors, use_extra_bufts, no_host, no_alloc, load_mtp;
} model_params;

typedef struct {
  uint32_t n_ctx, n_batch, n_ubatch, n_seq_max, n_rs_seq, n_outputs_max, n_outputs_max_per_seq;
  int32_t n_threads, n_threads_batch, ctx_type, rope_scaling, pooling, attention, flash_attn;
  float rope_base, rope_scale, yarn[4]; uint32_t yarn_orig_ctx; float defrag; void *cb_eval, *cb_eval_data;
  int32_t type_k, type_v; void *abort, *abort_data;
  uint8_t embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified; void *samplers; size_t n_samplers; void *ctx_other;
} context_params;

typedef struct { int32_t n_tokens; int32_t *token; float *embd; int32_t *pos, *n_seq_id; int32_t **seq_id; int8_t *logits; } batch;

#define LOAD(lib, name) *(void **)&name = dlsym(lib, #name); if (!name) { fprintf(stderr, "no %s\n", #name); return 1; }

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void quiet(int level, const char *text, void *data) { (void)level; (void)text; (void)data; }

/* First of the largest, in lanes that the compiler makes vectors of: as good as ours, so that sampling decides nothing. */
static int arg_max(const float *l, int n) {
  enum { LANES = 16 };
  float most[LANES]; int at[LANES], i = 0;
  for (int k = 0; k < LANES; k++) { most[k] = -INFINITY; at[k] = 0; }
  for (; i + LANES <= n; i += LANES) for (int k = 0; k < LANES; k++) { int above = l[i + k] > most[k]; most[k] = above ? l[i + k] : most[k]; at[k] = above ? i + k : at[k]; }
  int best = at[0];
  for (int k = 1; k < LANES; k++) if (most[k] > l[best] || (most[k] == l[best] && at[k] < best)) best = at[k];
  for (; i < n; i++) if (l[i] > l[best]) best = i;
  return best;
}

int main(int argc, char **argv) {
  if (argc != 9) return 2;
  void *base = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL), *ggml = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL), *llama = dlopen(argv[3], RTLD_NOW | RTLD_GLOBAL);
  if (!base || !ggml || !llama) { fprintf(stderr, "%s\n", dlerror()); return 1; }
  void (*ggml_backend_load_all_from_path)(const char *); void (*llama_log_set)(void *, void *); void (*llama_backend_init)(void);
  model_params (*llama_model_default_params)(void); context_params (*llama_context_default_params)(void);
  void *(*llama_model_load_from_file)(const char *, model_params); void *(*llama_init_from_model)(void *, context_params);
  void *(*llama_model_get_vocab)(void *); int32_t (*llama_vocab_n_tokens)(void *); batch (*llama_batch_init)(int32_t, int32_t, int32_t);
  int32_t (*llama_decode)(void *, batch); float *(*llama_get_logits_ith)(void *, int32_t);
  void *(*llama_get_memory)(void *); void (*llama_memory_clear)(void *, uint8_t);
  LOAD(ggml, ggml_backend_load_all_from_path) LOAD(llama, llama_log_set) LOAD(llama, llama_backend_init)
  LOAD(llama, llama_model_default_params) LOAD(llama, llama_context_default_params) LOAD(llama, llama_model_load_from_file)
  LOAD(llama, llama_init_from_model) LOAD(llama, llama_model_get_vocab) LOAD(llama, llama_vocab_n_tokens) LOAD(llama, llama_batch_init)
  LOAD(llama, llama_decode) LOAD(llama, llama_get_logits_ith) LOAD(llama, llama_get_memory) LOAD(llama, llama_memory_clear)
  llama_log_set((void *)quiet, NULL);
  ggml_backend_load_all_from_path(argv[4]);
  llama_backend_init();
  model_params mp = llama_model_default_params();
  if (getenv("BENCH_GPU_LAYERS")) mp.n_gpu_layers = atoi(getenv("BENCH_GPU_LAYERS")); else mp.n_gpu_layers = 0;
  void *model = llama_model_load_from_file(argv[5], mp);
  if (!model) return 1;
  int most = atoi(argv[6]);
  context_params cp = llama_context_default_params();
  cp.n_ctx = most * atoi(argv[7]); cp.n_batch = cp.n_ubatch = 512; cp.n_seq_max = cp.n_outputs_max = most;
  cp.n_threads = cp.n_threads_batch = atoi(argv[8]);
  void *ctx = llama_init_from_model(model, cp);
  if (!ctx) return 1;
  int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  batch b = llama_batch_init(512, 0, 1);
  int32_t next[64], row[64];
  printf("ready\n"); fflush(stdout);
  int n, prompt, tokens;
  while (scanf("%d %d %d", &n, &prompt, &tokens) == 3 && n <= most && n <= 64) {
    llama_memory_clear(llama_get_memory(ctx), 0);
    double start = now(), first = 0;
    for (int step = 0, made = 0; made < tokens; step++) {
      if (step == 0) {
        for (int s = 0, i = 0; s < n;) {
          b.n_tokens = 0;
          int from = s;
          for (; s < n && b.n_tokens < 512; s += i == prompt, i = i == prompt ? 0 : i) for (; i < prompt && b.n_tokens < 512; i++) {
            int r = b.n_tokens++;
            b.token[r] = 30 + (i * 7 + s) % 200; b.pos[r] = i; b.n_seq_id[r] = 1; b.seq_id[r][0] = s; b.logits[r] = i == prompt - 1; row[s] = r;
          }
          if (llama_decode(ctx, b)) return 1;
          for (int d = from; d < s; d++) {
            next[d] = arg_max(llama_get_logits_ith(ctx, row[d]), vocab);
          }
        }
        first = now() - start;
      } else {
        b.n_tokens = n;
        for (int s = 0; s < n; s++) { b.token[s] = next[s]; b.pos[s] = prompt + made - 1; b.n_seq_id[s] = 1; b.seq_id[s][0] = s; b.logits[s] = 1; }
        if (llama_decode(ctx, b)) return 1;
        for (int s = 0; s < n; s++) {
          next[s] = arg_max(llama_get_logits_ith(ctx, s), vocab);
        }
      }
      made++;
    }
    printf("%.6f %.6f %d\n", now() - start, first, n * tokens); fflush(stdout);
  }
  return 0;
}
