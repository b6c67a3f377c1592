// A subnet is its active genes: equality, hashing and JSON.
import Foundation
import Networks
import Testing

@Suite struct SubnetConfigTests {
    let space = SearchSpace.fashion

    @Test("networks that differ in skipped layers only are one in canonical form")
    func activeGenes() {
        var left = space.largest
        left.depths = [2, 3, 2]
        var right = left
        right.kernelSizes[2] = 3
        right.expandRatios[8] = 4
        #expect(space.canonical(left) == space.canonical(right))
        #expect(space.canonical(space.canonical(left)) == space.canonical(left))
        right.kernelSizes[7] = 3
        #expect(space.canonical(left) != space.canonical(right))
    }

    @Test("depth and resolution tell networks apart")
    func depthAndResolution() {
        var deeper = space.smallest
        deeper.depths[1] = 3
        var larger = space.smallest
        larger.resolution = 28
        #expect(Set([space.smallest, deeper, larger]).count == 3)
    }

    @Test("lists that do not fit together compare whole and never trap")
    func malformedLists() {
        let odd = SubnetConfig(
            kernelSizes: [3, 3, 3], expandRatios: [3], depths: [2, 2], resolution: 20)
        var other = odd
        other.kernelSizes[2] = 5
        #expect(odd != other)
        #expect(Set([odd, odd]).count == 1)
        #expect(space.canonical(odd) == odd)
    }

    @Test("JSON keys are ks, e, d and r; r may be a list of one; other keys are ignored")
    func json() throws {
        let text = #"{"wid": null, "ks": [3, 5], "e": [4, 6], "d": [2], "r": [224]}"#
        let config = try JSONDecoder().decode(SubnetConfig.self, from: Data(text.utf8))
        #expect(config.resolution == 224)
        #expect(config.kernelSizes == [3, 5])
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let written = String(decoding: try encoder.encode(config), as: UTF8.self)
        #expect(written == #"{"d":[2],"e":[4,6],"ks":[3,5],"r":224}"#)
    }

    @Test("families without kernel genes leave ks out and have w")
    func widths() throws {
        let text = #"{"d": [0, 2], "e": [0.2, 0.35], "w": [2, 0], "r": 160}"#
        let config = try SubnetConfig(json: text)
        #expect(config.kernelSizes.isEmpty && config.widths == [2, 0])
        #expect(config.expandRatios == [0.2, 0.35])
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let written = String(decoding: try encoder.encode(config), as: UTF8.self)
        #expect(written == #"{"d":[0,2],"e":[0.2,0.35],"r":160,"w":[2,0]}"#)
        #expect(try JSONDecoder().decode(SubnetConfig.self, from: Data(written.utf8)) == config)
    }

    @Test("two resolutions are refused")
    func twoResolutions() {
        let text = #"{"ks": [3], "e": [4], "d": [1], "r": [224, 192]}"#
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(SubnetConfig.self, from: Data(text.utf8))
        }
    }
}
