#include <cblas.h>

/// LAPACK's Cholesky factorisation. OpenBLAS exports this function, but cblas.h lacks it.
/// https://netlib.org/lapack/explore-html/d2/d09/group__potrf.html
void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda, blasint *info);
