// Streams of a batch's images: a matter of seed, step, purpose and position.
import Tensors
import Testing

@Suite struct ImageStreamsTests {
    private func draws(_ streams: ImageStreams, _ places: Range<Int>) -> [UInt64] {
        places.map { place in
            var stream = streams[place]
            return stream.next()
        }
    }

    @Test("a part of a batch draws what the whole draws there")
    func parts() {
        let whole = ImageStreams(seed: 3, step: 5, purpose: 2)
        #expect(draws(whole.from(4), 0..<6) == draws(whole, 4..<10))
        #expect(draws(whole.from(4).from(3), 0..<2) == draws(whole, 7..<9))
    }

    @Test("no two positions, steps, purposes or seeds share a stream")
    func different() {
        var all: Set<UInt64> = []
        for seed in 0..<3 {
            for step in 0..<3 {
                for purpose in 0..<3 {
                    all.formUnion(
                        draws(
                            ImageStreams(seed: UInt64(seed), step: step, purpose: purpose), 0..<30))
                }
            }
        }
        #expect(all.count == 3 * 3 * 3 * 30)
    }
}
