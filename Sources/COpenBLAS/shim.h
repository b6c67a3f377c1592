#include <cblas.h>

/// LAPACK's Cholesky factor, which OpenBLAS exports but declares only beside LAPACK's own headers.
/// https://netlib.org/lapack/explore-html/d2/d09/group__potrf.html
void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda, blasint *info);
