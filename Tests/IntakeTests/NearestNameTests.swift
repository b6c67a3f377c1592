// Tests of "did you mean".
import Intake
import Testing

@Suite struct NearestNameTests {
    private let known = ["learning_rate", "label_smoothing", "epochs", "batch", "from"]

    @Test(
        "a slip of the keys finds the name",
        arguments: [
            ("learning_rte", "learning_rate"), ("learning-rate", "learning_rate"),
            ("epcohs", "epochs"), ("Batch", "batch"), ("form", "from"),
        ])
    func near(word: String, name: String) {
        #expect(NearestName.find(word, among: known) == name)
    }

    @Test("another word finds none", arguments: ["", "x", "dropout", "zzzzzzzz"])
    func far(word: String) {
        #expect(NearestName.find(word, among: known) == nil)
        #expect(NearestName.remedy(word, among: known) == nil)
    }
}
