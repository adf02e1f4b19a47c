/* net/proxy_header.h: whatever comes, what is read lies within the input, a header is the same whatever follows it, and
 * its beginning is never refused. */
#include "base/buf.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    if (proxy_header_parse(slice_of(data, size), &whole) != ERR_OK)
        return 0;
    ENSURE(whole.n > 0 && whole.n <= size && whole.n <= PROXY_HEADER_MAX);
    ENSURE(strnlen(whole.peer, sizeof whole.peer) < sizeof whole.peer);
    for (size_t n = 0; n < whole.n; n++) {
        uint8_t *copy = mem_new(n + 1);
        memcpy(copy, data, n);
        ENSURE(proxy_header_parse(slice_of(copy, n), &part) == ERR_AGAIN);
        free(copy);
    }
    ENSURE(proxy_header_parse(slice_of(data, whole.n), &part) == ERR_OK);
    ENSURE(part.n == whole.n && strcmp(part.peer, whole.peer) == 0);
    return 0;
}
