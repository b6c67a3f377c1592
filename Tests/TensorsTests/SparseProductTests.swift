// Products of rows with zeros, and of zeros and ones, with every instruction set, against the definition in double and
// the dense product.
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
            (1, 1, 1), (5, 16, 15), (3, 79, 16), (96, 80, 17), (7, 81, 80), (2, 250, 97),
            (4, 163, 58), (9, 300, 163), (3, 61, 241), (5, 83, 71), (5, 83, 119),
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

    @Test("listed rows are summed as a product with ones and zeros sums them", arguments: sets)
    func listed(set: InstructionSet) {
        let kernels = set.table.pointee
        var stream = RandomStream(seed: 12)
        func draw(_ count: Int) -> Storage {
            Tensor(
                (0..<count).map { _ in Float(Int.random(in: 0...2000, using: &stream)) / 1000 - 1 }
            ).storage
        }
        let inputs = 40
        for columns in [1, 3, 16, 17, 71, 80, 97, 119, 163, 400] {
            let w = draw(inputs * columns), shift = draw(columns)
            for count in [0, 1, 2, 5, 21] {
                let rows = (0..<Int32(inputs)).shuffled(using: &stream).prefix(count)
                // What follows the columns stays as it is.
                let c = Tensor([Float](repeating: 7, count: columns + 1)).storage
                kernels.sum_listed(
                    w.base, Int32(columns), Array(rows), Int32(count), shift.base,
                    Int32(OFA_ACT_RELU), c.base)
                #expect(c.base[columns] == 7)
                let ones = Tensor((0..<Int32(inputs)).map { rows.contains($0) ? 1 : 0 }).storage
                let product = Storage(count: columns)
                let scratch = Storage(count: Int(kernels.sparse_scratch(1, Int32(inputs))))
                kernels.sparse_product(
                    ones.base, Int64(inputs), 1, Int32(inputs), w.base, Int32(columns), shift.base,
                    Int32(OFA_ACT_RELU), product.base, Int64(columns), scratch.base)
                for column in 0..<columns {
                    let sum = rows.reduce(Double(shift.base[column])) {
                        $0 + Double(w.base[Int($1) * columns + column])
                    }
                    // Sums of up to 22 terms below 1.
                    for found in [c.base[column], product.base[column]] {
                        #expect(
                            abs(Double(found) - max(sum, 0)) < 1e-5,
                            "\(set), \(count) rows, column \(column) of \(columns)")
                    }
                }
            }
        }
    }
}
