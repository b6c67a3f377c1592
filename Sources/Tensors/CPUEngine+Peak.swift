// Measures this machine's peak rates, the references for the speed of whole passes: of multiplications and additions, and
// of reading memory.

import CKernels
import Foundation

extension CPUEngine {
    /// Returns the largest rate of BLAS in `tries` measurements, in floating-point operations per second. All threads
    /// run at once, each on a separate product of `size` x `size` matrices.
    public func blasPeak(size: Int = 1024, tries: Int = 24) -> Double {
        let matrices = (0..<threads).map { _ in
            (0..<3).map { _ in Storage(count: size * size) }
        }
        for storage in matrices.flatMap({ $0 }) { storage.all.fill(with: 0.5) }
        return best(of: tries, amount: 2 * size * size * size) { thread in
            let (a, b, c) = (matrices[thread][0], matrices[thread][1], matrices[thread][2])
            gemm(false, false, size, size, size, a.base, size, b.base, size, 0, c.base, size)
        }
    }

    /// Returns the largest rate of the engine's product in `tries` measurements, in floating-point operations per
    /// second. All threads run at once, each on a block that fits in the second-level cache: (rows, depth) times a
    /// packed (depth, columns).
    public func productPeak(
        rows: Int = 96, depth: Int = 480, columns: Int = 144, tries: Int = 24
    ) -> Double {
        let packedFloats = Int(kernels.packed_floats(Int32(depth), Int32(columns)))
        let sizes = [rows * depth, packedFloats, rows * columns]
        let blocks = (0..<threads).map { _ in sizes.map { Storage(count: $0) } }
        let weight = Storage(count: depth * columns)
        weight.all.fill(with: 0.5)
        for block in blocks {
            block[0].all.fill(with: 0.5)
            kernels.pack(
                weight.base, Int64(columns), 1, Int32(depth), Int32(columns), nil, 0,
                Int32(columns), block[1].base)
        }
        let repeats = 64
        let kernels = self.kernels
        return best(of: tries, amount: repeats * 2 * rows * depth * columns) { thread in
            let block = blocks[thread]
            var end = ofa_end()
            for _ in 0..<repeats {
                kernels.product(
                    block[0].base, Int64(depth), Int32(rows), Int32(depth), block[1].base,
                    Int32(columns), block[2].base, Int64(columns), &end, nil)
            }
        }
    }

    /// Returns the largest rate of multiply-adds on values in registers in `tries` measurements, in floating-point
    /// operations per second. All threads run at once.
    public func multiplyAddPeak(tries: Int = 24) -> Double {
        let kernels = self.kernels, rounds = 20_000
        // A cache line for each thread's result.
        let results = Storage(count: 16 * threads)
        let macs = Int(kernels.multiply_adds(1, results.base))
        return best(of: tries, amount: 2 * macs * rounds) { thread in
            _ = kernels.multiply_adds(Int64(rounds), results.base + 16 * thread)
        }
    }

    /// Returns the largest rate of reading in `tries` measurements, in bytes per second. All threads run at once, and
    /// each reads an array of `bytes` bytes again and again.
    public func readPeak(bytes: Int, tries: Int = 24) -> Double {
        let kernels = self.kernels, count = max(bytes / 4, 1)
        let arrays = (0..<threads).map { _ in Storage(count: count) }
        for array in arrays { array.all.fill(with: 0.5) }
        let results = Storage(count: 16 * threads)
        let repeats = max(1, (16 << 20) / bytes)
        return best(of: tries, amount: 4 * repeats * count) { thread in
            var sum: Float = 0
            for _ in 0..<repeats {
                sum += kernels.sum_floats(arrays[thread].base, Int64(count))
            }
            results.base[16 * thread] = sum
        }
    }

    /// Runs `body` on all threads `tries` times, each time for `amount` operations or bytes of each thread. Returns the
    /// amount per second of all threads together in the fastest try.
    private func best(of tries: Int, amount: Int, _ body: (Int) -> Void) -> Double {
        let clock = ContinuousClock()
        var least = Double.infinity
        for _ in 0..<max(tries, 1) {
            let time = clock.measure { pool.run(body) }
            least = min(least, time / .seconds(1))
        }
        return Double(threads * amount) / least
    }
}
