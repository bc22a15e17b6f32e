/* Sums of messages along both directions of each entry of a neighbor list, and the gradient of that by the filters.
 *
 * One pass over the filters, which are by far the largest array: an entry (i, k) with neighbor j adds filter * sent[j] to row i and
 * filter * sent[i] to row j. Rows that no entry connects can be worked on at the same time, so a batch is cut between images; each
 * sum is made in the order of the entries, whatever the number of threads.
 *
 * On x86-64 a function is compiled for several instruction sets, of which the loader takes the best that the processor has, so
 * that a file may be used on another machine than the one that made it.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(CLONES) && defined(__x86_64__)
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FAST
#endif
#define MOST_THREADS 64

typedef struct {
    const void *filters, *sent;
    const int64_t *index;
    void *out;
    int64_t first, last, columns, width;
} part;

/* The sums of rows first to last, which no entry connects with others; then the gradient by their filters, for which `filters`
 * holds the gradient by the sums. */
#define WORK(T, NAME)                                                                                                  \
    FAST static void *sums_##NAME(void *given) {                                                                       \
        const part *p = given;                                                                                         \
        const int64_t K = p->columns, D = p->width;                                                                    \
        const T *sent = p->sent, *filter = (const T *)p->filters + p->first * K * D;                                   \
        T *out = p->out;                                                                                               \
        memset(out + p->first * D, 0, (p->last - p->first) * D * sizeof(T));                                           \
        for (int64_t i = p->first; i < p->last; i++)                                                                   \
            for (int64_t k = 0; k < K; k++, filter += D) {                                                             \
                const int64_t j = p->index[i * K + k];                                                                 \
                const T *here = sent + i * D, *there = sent + j * D;                                                   \
                T *to_here = out + i * D, *to_there = out + j * D;                                                     \
                for (int64_t d = 0; d < D; d++) to_here[d] += filter[d] * there[d];                                    \
                for (int64_t d = 0; d < D; d++) to_there[d] += filter[d] * here[d];                                    \
            }                                                                                                          \
        return NULL;                                                                                                   \
    }                                                                                                                  \
    FAST static void *products_##NAME(void *given) {                                                                   \
        const part *p = given;                                                                                         \
        const int64_t K = p->columns, D = p->width;                                                                    \
        const T *gradient = p->filters, *sent = p->sent;                                                               \
        T *restrict out = (T *)p->out + p->first * K * D;                                                              \
        for (int64_t i = p->first; i < p->last; i++)                                                                   \
            for (int64_t k = 0; k < K; k++, out += D) {                                                                \
                const int64_t j = p->index[i * K + k];                                                                 \
                const T *gi = gradient + i * D, *gj = gradient + j * D, *si = sent + i * D, *sj = sent + j * D;        \
                for (int64_t d = 0; d < D; d++) out[d] = gi[d] * sj[d] + gj[d] * si[d];                                \
            }                                                                                                          \
        return NULL;                                                                                                   \
    }

WORK(float, f32)
WORK(double, f64)

/* Cuts rows into at most `most` parts of about equal size that no entry connects; cuts[0] = 0, the last one is `rows`. Returns how
 * many parts there are, 0 where an entry points out of the rows, -1 without memory. */
static int cut(const int64_t *index, int64_t rows, int64_t columns, int most, int64_t *cuts) {
    int64_t *reach = calloc(rows + 1, sizeof(int64_t)), farthest = 0;
    int parts = 0;
    if (reach == NULL) return -1;
    for (int64_t i = 0; i < rows; i++) {
        int64_t low = i, high = i;
        for (int64_t k = 0; k < columns; k++) {
            const int64_t j = index[i * columns + k];
            low = j < low ? j : low;
            high = j > high ? j : high;
        }
        if (low < 0 || high >= rows) {
            free(reach);
            return 0;
        }
        reach[low] = high > reach[low] ? high : reach[low];
    }
    cuts[0] = 0;
    for (int64_t i = 0; i < rows; i++) {
        farthest = reach[i] > farthest ? reach[i] : farthest;
        if (farthest <= i && parts + 1 < most && (i + 1) * most >= (parts + 1) * rows && i + 1 < rows) cuts[++parts] = i + 1;
    }
    cuts[++parts] = rows;
    free(reach);
    return parts;
}

static int each_part(void *(*work)(void *), part whole, int64_t rows, int threads) {
    int64_t cuts[MOST_THREADS + 1];
    part parts[MOST_THREADS];
    pthread_t others[MOST_THREADS];
    char started[MOST_THREADS] = {0};
    threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    const int count = cut(whole.index, rows, whole.columns, threads, cuts);
    if (count < 1) return count - 1;
    for (int t = count - 1; t >= 0; t--) {
        parts[t] = whole;
        parts[t].first = cuts[t];
        parts[t].last = cuts[t + 1];
        if (t > 0) started[t] = pthread_create(&others[t], NULL, work, &parts[t]) == 0;
        if (!started[t]) work(&parts[t]);
    }
    for (int t = 1; t < count; t++)
        if (started[t]) pthread_join(others[t], NULL);
    return 0;
}

/* filters [rows, columns, width], sent and out [rows, width], index [rows, columns]; `threads` at most. Returns 0, -1 where an
 * entry points out of the rows, -2 without memory. */
#define EXPORT(T, NAME)                                                                                                \
    int exchange_##NAME(const T *filters, const T *sent, const int64_t *index, int64_t rows, int64_t columns,          \
                        int64_t width, T *out, int threads) {                                                          \
        part whole = {filters, sent, index, out, 0, rows, columns, width};                                             \
        return each_part(sums_##NAME, whole, rows, threads);                                                           \
    }                                                                                                                  \
    /* The gradient by the filters, [rows, columns, width], from that by the sums, [rows, width]. */                   \
    int filter_gradient_##NAME(const T *gradient, const T *sent, const int64_t *index, int64_t rows, int64_t columns,  \
                               int64_t width, T *out, int threads) {                                                   \
        part whole = {gradient, sent, index, out, 0, rows, columns, width};                                            \
        return each_part(products_##NAME, whole, rows, threads);                                                       \
    }

EXPORT(float, f32)
EXPORT(double, f64)
