// The draws that searching makes.
import Tensors

extension RandomStream {
    /// Whether an event of this probability happens.
    mutating func happens(_ probability: Double) -> Bool {
        Double(uniform()) < probability
    }

    /// A place of a list of this length, which must not be empty.
    mutating func place(below count: Int) -> Int {
        Int.random(in: 0..<count, using: &self)
    }
}
