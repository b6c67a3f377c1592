// Held-out images are disjoint from those trained on, and the seed decides which they are.
import Datasets
import Testing

@Suite struct SplitTests {
    @Test("training and held-out images are disjoint and together all")
    func partition() throws {
        let split = try Split(trainCount: 60_000, seed: 1)
        #expect(split.heldOut.count == 5000)
        #expect(split.training.count == 55_000)
        #expect(Set(split.heldOut + split.training) == Set(0..<60_000))
    }

    @Test("the same seed gives the same split on every machine, another seed another one")
    func seeds() throws {
        let split = try Split(trainCount: 1000, heldOut: 10, seed: 7)
        // Computed once by an independent implementation of Philox and Fisher-Yates.
        #expect(split.heldOut == [325, 561, 851, 489, 939, 314, 901, 167, 220, 656])
        #expect(try Split(trainCount: 1000, heldOut: 10, seed: 7) == split)
        #expect(try Split(trainCount: 1000, heldOut: 10, seed: 8) != split)
    }

    @Test("held-out images come from the whole range")
    func spread() throws {
        let split = try Split(trainCount: 10_000, heldOut: 2000, seed: 3)
        for tenth in 0..<10 {
            let count = split.heldOut.count { $0 / 1000 == tenth }
            // Hypergeometric: mean 200, deviation 12; five deviations.
            #expect((140...260).contains(count))
        }
    }

    @Test("something must be left to train on")
    func bounds() throws {
        #expect(throws: DatasetError.self) { try Split(trainCount: 10, heldOut: 10, seed: 1) }
        #expect(throws: DatasetError.self) { try Split(trainCount: 10, heldOut: -1, seed: 1) }
        #expect(try Split(trainCount: 1, heldOut: 0, seed: 1).training == [0])
    }
}
