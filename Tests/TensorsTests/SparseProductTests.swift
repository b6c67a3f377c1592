// Products of rows with zeros, with every instruction set, against the definition in double and the dense product.
import CKernels
import TestSupport
import Testing

@testable import Tensors

@Suite struct SparseProductTests {
    @Test(
        "zeros are passed over and nothing else: the results are the dense product's, bit by bit",
        arguments: sets)
    func product(set: InstructionSet) {
        let kernels = set.table.pointee
        var stream = RandomStream(seed: 11)
        func draw(_ count: Int, zeros: Int) -> [Float] {
            (0..<count).map { _ in
                Int.random(in: 0..<100, using: &stream) < zeros
                    ? 0 : Float(Int.random(in: 0...2000, using: &stream)) / 1000 - 1
            }
        }
        for (rows, depth, columns) in [
            (1, 1, 1), (5, 16, 15), (3, 99, 16), (96, 100, 17), (7, 101, 80), (2, 250, 97),
            (9, 300, 161),
        ] {
            for zeros in [0, 50, 100] {
                let gap = Int.random(in: 0...4, using: &stream)
                let a = draw(rows * (depth + gap), zeros: zeros)
                let w = draw(depth * columns, zeros: 10), shift = draw(columns, zeros: 0)
                func run(_ body: (Storage, Storage, Storage, Storage) -> Void) -> [Float] {
                    let c = Storage(count: rows * columns)
                    body(
                        Tensor(a).storage, Tensor(w).storage, Tensor(shift).storage, c)
                    return c.all.values
                }
                let found = run { a, w, shift, c in
                    let scratch = Storage(
                        count: Int(kernels.sparse_scratch(Int32(rows), Int32(depth))))
                    kernels.sparse_product(
                        a.base, Int64(depth + gap), Int32(rows), Int32(depth), w.base,
                        Int32(columns), shift.base, Int32(OFA_ACT_RELU), c.base, Int64(columns),
                        scratch.base)
                }
                let dense = run { a, w, shift, c in
                    let packed = Storage(
                        count: Int(kernels.packed_floats(Int32(depth), Int32(columns))))
                    kernels.pack(
                        w.base, Int64(columns), 1, Int32(depth), Int32(columns), nil, 0,
                        Int32(columns), packed.base)
                    var end = ofa_end()
                    end.shift = UnsafePointer(shift.base)
                    end.activation = Int32(OFA_ACT_RELU)
                    kernels.product(
                        a.base, Int64(depth + gap), Int32(rows), Int32(depth), packed.base,
                        Int32(columns), c.base, Int64(columns), &end, nil)
                }
                #expect(found == dense, "\(set), \(rows)x\(depth)x\(columns), \(zeros) % zeros")
                for row in 0..<rows {
                    for column in 0..<columns {
                        var sum = Double(shift[column])
                        for k in 0..<depth {
                            sum +=
                                Double(a[row * (depth + gap) + k]) * Double(w[k * columns + column])
                        }
                        // Sums of up to 300 terms below 1.
                        #expect(abs(Double(found[row * columns + column]) - max(sum, 0)) < 1e-4)
                    }
                }
            }
        }
    }
}
